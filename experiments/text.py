"""Text from files and paths, made fit to print: for a terminal, HTML and Markdown.

Anybody may have written a run directory or a study. Its text never reaches a reader as
markup or a terminal as control sequences.
"""

import html
import io
import os
import re
import sys
import unicodedata
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

# Control and formatting characters (ANSI sequences, right-to-left overrides), lone
# surrogates from names that are not UTF-8, and separators that end a line.
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_MARKUP = re.compile(r"[\\`*\[\]|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def printable(text: object, keep: str = "") -> str:
    """The text with U+FFFD for each unprintable character.

    Args:
      text: anything; its `str` is used.
      keep: characters to leave, such as a newline.
    """
    return "".join(
        "\N{REPLACEMENT CHARACTER}"
        if unicodedata.category(character) in _UNPRINTABLE and character not in keep
        else character
        for character in str(text)
    )


def plural(number: float, noun: str) -> str:
    return noun if number == 1 else f"{noun}s"


def p(value: float) -> str:
    """A p-value to three decimals."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def verdict(word: str, p: float, p_equivalent: float, sure: float) -> str:
    """What a test of a difference and one of equivalence say together.

    Args:
      word: for the difference, if p is below `sure`.
    """
    equal = p_equivalent < sure
    if p < sure:
        return f"{word}, yet equal" if equal else f"**{word}**"
    return "equal" if equal else "cannot tell"


def replace_what_cannot_be_shown() -> None:
    """Print "?" for characters that a terminal or log without UTF-8 lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def link(path: str | Path) -> str:
    """A relative path as an HTML attribute, which is never read as a URL scheme."""
    return urllib.parse.quote(os.fsencode(path))


def markdown(text: object) -> str:
    """The text as Markdown that shows it as it is, on one line."""
    escaped = _MARKUP.sub(r"\\\g<0>", printable(text))
    return html.escape(escaped, quote=False)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; its cells are not escaped."""
    lines = [f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def code_block(lines: list[str], language: str = "sh") -> str:
    """A fenced Markdown block; no line of the text can end it."""
    body = "\n".join(printable(line) for line in lines)
    longest = max(map(len, re.findall("`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{body}\n{fence}\n"
