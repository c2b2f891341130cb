"""Answering a wrong name with the nearest right one."""

import difflib
from collections.abc import Iterable


def choices(name: object, known: Iterable[str]) -> str:
    """The known names, and the one that was probably meant."""
    known = list(known)
    close = difflib.get_close_matches(str(name), known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{', '.join(map(repr, known))}{hint}"
