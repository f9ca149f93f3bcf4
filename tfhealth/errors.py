"""The one exception a user is meant to read: its text says what is wrong, where, and how to mend it."""


class UserError(Exception):
    """A problem the user can mend; the command line prints its text as one line and exits with code 2."""
