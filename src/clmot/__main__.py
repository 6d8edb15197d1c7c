"""``python -m clmot``."""

from clmot.cli import main

if __name__ == "__main__":
    main()
