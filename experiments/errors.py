"""Errors that are the user's to mend: shown without a traceback."""

from experiments.text import printable


class UserError(Exception):
    """A message that says what was wrong and what to do; the command exits with 2.

    It may quote a file or a path, of which a terminal gets nothing but letters.
    """

    def __str__(self) -> str:
        return printable(super().__str__(), keep="\n")
