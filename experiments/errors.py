"""Errors that are the user's to mend: shown without a traceback."""


class UserError(Exception):
    """A message that says what was wrong and what to do; the command exits with 2."""
