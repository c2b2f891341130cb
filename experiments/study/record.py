"""What a study declares: its parts, its tables, and what is made of its rows."""

import dataclasses
import math
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from experiments.text import plural

if TYPE_CHECKING:
    import pandas as pd

Arrays = Mapping[str, np.ndarray]
Frames = Mapping[str, "pd.DataFrame"]  # a part's rows, by table
Rows = dict[str, dict[str, "pd.DataFrame"]]  # the same for each finished part
Pictures = Mapping[str, Callable[[Path], Any]]  # how to draw each file

_LARGEST = sys.float_info.max


@dataclasses.dataclass(frozen=True)
class Column:
    """What the cells of a column may be.

    Attributes:
      low, high: bounds of its numbers, both included; by default, they are finite.
      whole: whether the numbers are whole; they become integers.
      empty: whether cells may be empty.
      choices: the texts that a column of texts may have; None for numbers.
    """

    low: float = -_LARGEST
    high: float = _LARGEST
    whole: bool = False
    empty: bool = False
    choices: Collection[Any] | None = None

    def __str__(self) -> str:
        """Such as "a whole number from 0 to 100, or empty"."""
        if self.choices is not None:
            words = f"one of {', '.join(map(str, self.choices))}"
        else:
            words = "a whole number" if self.whole else "a number"
            if self.low > -_LARGEST:
                words += f" from {self.low:.16g}"
            if self.high < _LARGEST:
                words += f" to {self.high:.16g}"
        return f"{words}, or empty" if self.empty else words


NUMBER = Column()
AT_LEAST_0 = Column(low=0)
COUNT = Column(low=0, high=2**53, whole=True)
ANYTHING = Column(-math.inf, math.inf, empty=True)  # such as the loss of a lost run


@dataclasses.dataclass(frozen=True)
class Table:
    """A file of rows.

    Attributes:
      file: its name within the study, such as rows/CASE.csv.gz.
      columns: by name; further ones in the file are not read.
      keys: the columns in which no two rows agree.
      check: raises ValueError for rows that contradict each other.
    """

    file: str
    columns: Mapping[str, Column]
    keys: Sequence[str] = ()
    check: Callable[["pd.DataFrame"], None] | None = None


class Part(NamedTuple):
    """A piece of work whose rows are written when it is finished.

    Attributes:
      name: in the index.
      sort: parts of one sort take as long per unit of their amounts.
      amount: of work.
      pieces: into how many it is divided, for the case that it is interrupted.
    """

    name: str
    sort: str
    amount: float
    pieces: int = 1


class Index(NamedTuple):
    """What a study's index says.

    Attributes:
      study: what the study is: id, kind, options, jax; empty for one that is older than
        these records.
      parts: seconds, machine, versions, commit and command of each part.
      damaged: the reason why an entry cannot be used, by part.
    """

    study: dict[str, Any]
    parts: dict[str, dict[str, Any]]
    damaged: dict[str, str]

    def option(self, name: str, default: Any) -> Any:
        """What the study was started with; `default` if it does not say so."""
        return self.study.get("options", {}).get(name, default)


@dataclasses.dataclass(frozen=True)
class Context:
    """What a part may use while it is measured.

    Attributes:
      kept: `kept(name, measure)` gives measure()'s arrays, from the disk if an
        interrupted attempt has measured them. Raises Stopped instead of measuring on a
        request to stop. Several threads may call it.
      check: raises Stopped on a request to stop.
      say: prints a line.
      memory: for what later parts of the same command can use.
    """

    kept: Callable[[str, Callable[[], Arrays]], Arrays]
    check: Callable[[], None]
    say: Callable[[str], None]
    memory: dict[Any, Any]


@dataclasses.dataclass(frozen=True)
class Study:
    """A study. `config` is the command's, `part` a part's name.

    Attributes:
      name: such as "stability study".
      out: the command's default directory.
      index: the name of its index.
      committed: the study of this kind in results/.
      noun: what a part is called.
      parts: the parts that a config asks for; raises UserError.
      options: the options that the rows depend on, by their names on the command line.
      tables: the tables of a part; raises LookupError or ValueError for an unknown one.
      measure: measures a part.
      size: the sort and the amount of a finished part, from the index and its rows.
      outline: what a dry run shows of a config and its missing parts: words after the
        number of parts, further lines, and what is left.
      line: a finished part in words.
      words: tables.md, from all rows.
      pictures: how each picture is drawn, by the file's name.
      title: the heading in a report.
      captions: of those pictures that a report shows, by file.
      prepare: loads what the missing parts need, such as a data set; raises UserError.
      check: raises ValueError if parts contradict each other.
    """

    name: str
    out: Path
    index: str
    committed: Path
    noun: str
    parts: Callable[[Any], Sequence[Part]]
    options: Callable[[Any], dict[str, Any]]
    tables: Callable[[str], Mapping[str, Table]]
    measure: Callable[[Any, str, Context], Frames]
    size: Callable[[str, Index, Frames], tuple[str, float]]
    outline: Callable[[Any, Sequence[str]], Sequence[str]]
    line: Callable[[str, Frames], str]
    words: Callable[[Rows, Index], str]
    pictures: Callable[[Rows, Index], Pictures]
    title: Callable[[Rows], str]
    captions: Mapping[str, str]
    prepare: Callable[[Any, Sequence[str]], None] = lambda config, parts: None
    check: Callable[[Rows], None] = lambda rows: None

    def count(self, number: int) -> str:
        return f"{number} {plural(number, self.noun)}"
