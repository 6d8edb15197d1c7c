"""The command ``clmot``, also as ``python -m clmot``."""

import sys


def run() -> None:
    """Run the command line; Ctrl-C says so in one line even while modules are being loaded."""
    try:
        from clmot.cli import main

        main()
    except KeyboardInterrupt:
        print("clmot: interrupted", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    run()
