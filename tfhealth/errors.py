"""The one exception a user is meant to read: its text says what is wrong, where, and how to mend it."""

from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """A problem the user can mend; the command line prints its text as one line and exits with code 2."""


@contextmanager
def about(name: str) -> Iterator[None]:
    """Puts the name of a file or data set in front of a UserError that is raised within."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
