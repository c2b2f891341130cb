"""Errors that the user can fix: shown without a traceback."""

from experiments.text import printable


class UserError(Exception):
    """A message that says what is wrong and what to do; the command exits with 2.

    It may quote a file or a path; control characters do not reach the terminal.
    """

    def __str__(self) -> str:
        return printable(super().__str__(), keep="\n")
