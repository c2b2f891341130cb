"""The code blocks of a Markdown page, and the commands that they run."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(python -m \w+[^`]*|make [^`]*)`")


class Block(NamedTuple):
    language: str
    line: int  # of the page, the block's first
    code: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    return [
        Block(match[1], text.count("\n", 0, match.start(2)) + 1, match[2])
        for match in _BLOCK.finditer(text)
    ]


def commands(page: Path) -> list[list[str]]:
    """Each command of the page's shell blocks and of its inline code, split."""
    text = "\n".join(b.code for b in blocks(page) if b.language in ("sh", "bash"))
    lines = text.replace("\\\n", " ").splitlines()
    inline = [match.replace("\n", " ") for match in _INLINE.findall(page.read_text())]
    split = [shlex.split(line, comments=True) for line in [*lines, *inline]]
    return [words for words in split if words]
