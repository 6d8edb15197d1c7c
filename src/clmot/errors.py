"""What a user can do wrong, as one exception that says what to do about it."""


class UserError(Exception):
    """Bad input: one line naming the file and line, or the field, and what to do.

    The command line prints the message without a traceback and exits with code 2; Python callers catch it like any
    exception.
    """
