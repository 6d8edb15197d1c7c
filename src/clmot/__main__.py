"""The command ``clmot``, also as ``python -m clmot``."""


def run() -> None:
    """Run the command line; at Ctrl-C it ends with one line and code 130, from its first moment to its last."""
    from clmot.io.interrupts import whole_process

    command = whole_process()
    try:
        try:
            from clmot.cli import main

            main()
        finally:
            command.over = True
    except SystemExit as stop:
        command.code = int(stop.code or 0)
        raise
    except BaseException as error:
        if not command.came and not isinstance(error, KeyboardInterrupt):
            raise
        command.leave()


if __name__ == "__main__":
    run()
