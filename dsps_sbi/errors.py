"""The one exception that the user is meant to read."""


class UserError(ValueError):
    """Input that cannot be used.

    The message is one line: what was given, what was expected, how to mend it.
    The command line prints it and exits with status 1.
    """
