"""The style of all pictures, with colors that color-blind readers can tell apart."""

import os
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from experiments.config.arms import ARMS
from experiments.errors import UserError
from experiments.machine import files
from experiments.text import printable

OTHER_COLORS = ("#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_SETTINGS: Any = {
    "figure.dpi": 150,
    "savefig.dpi": 150,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


@contextmanager
def panels(number: int, columns: int, width: float, height: float) -> Iterator:
    """Like `figure`, with this number of axes in rows of `columns`."""
    columns = min(columns, number)
    rows = -(-number // columns)
    with figure(rows, columns, width, height) as (fig, axes):
        for axis in axes.flat[number:]:
            axis.set_axis_off()
        yield fig, axes


@contextmanager
def figure(
    rows: int, columns: int, width: float = 3.2, height: float = 2.3
) -> Iterator:
    """A figure and its (rows, columns) axes in the project's style.

    It neither depends on nor changes the user's own settings, such as a notebook's
    backend.

    Args:
      rows, columns: of axes.
      width, height: of one of them, in inches.
    """
    matplotlib = _matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        fig = Figure(figsize=(width * columns, height * rows))
        FigureCanvasAgg(fig)
        yield fig, fig.subplots(rows, columns, squeeze=False)


def _matplotlib() -> Any:
    """Matplotlib, whose import fails if MPLBACKEND names a missing backend."""
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    return matplotlib


def save(fig: Any, path: Path) -> list[Path]:
    """Write a figure to a file, which is replaced atomically; gives [path]."""
    with files.replacing(path) as part:
        fig.savefig(part)
    return [path]


def heading(fig: Any, text: object, size: float = 9) -> None:
    """A title above all axes, wrapped to the figure's width."""
    fig.suptitle(wrapped(text, fig.get_figwidth(), size), fontsize=size)


def wrapped(text: object, width: float, size: float) -> str:
    """Words wrapped to `width` inches, in letters of `size` points."""
    letters = int(width * 72 / (0.55 * size))
    return textwrap.fill(words(text), letters, break_on_hyphens=False)


def legend(fig: Any) -> None:
    """One legend for all axes, below them so that it covers no line."""
    shown: dict[str, Any] = {}
    for axis in fig.axes:
        handles, labels = axis.get_legend_handles_labels()
        shown |= {label: h for label, h in zip(labels, handles) if label not in shown}
    if not shown:
        return
    longest = max(map(len, shown)) * 5 + 40  # points: letters, and a line sample
    columns = max(1, min(len(shown), int(fig.get_figwidth() * 72 / longest)))
    fig.legend(shown.values(), shown, loc="outside lower center", ncols=columns)


def band(
    axis: Any, x: Any, middle: Any, low: Any, high: Any, *form: str, **look: Any
) -> None:
    """A curve and a band around it in its color; `form` and `look` are of `plot`."""
    (line,) = axis.plot(x, middle, *form, **look)
    axis.fill_between(x, low, high, color=line.get_color(), alpha=0.15, lw=0)


def words(text: object) -> str:
    """Text for a figure, with nothing interpreted as a formula."""
    return printable(text, keep="\n").replace("$", r"\$")


class Drawing:
    """Draws pictures; if one fails, the others are still drawn."""

    def __init__(self) -> None:
        self._failures: dict[str, None] = {}  # in order, each once

    def of(self, draw: Callable[..., Sequence[Path]], *args: Any) -> Sequence[Path]:
        """The pictures that `draw(*args)` draws and writes; none if it fails."""
        try:
            return draw(*args)
        except UserError:
            raise
        # Depending on numbers and fonts, Matplotlib may raise anything.
        except Exception as error:
            reason = (str(error).strip() or "no reason given").splitlines()[0]
            path = next((arg for arg in reversed(args) if isinstance(arg, Path)), None)
            name = path.name if path is not None and path.suffix else draw.__name__
            name = name.strip("_").replace("_", " ")
            self._failures[f"{name}: {type(error).__name__}: {reason}"] = None
            return ()

    def raise_failures(self) -> None:
        """Raise UserError if a picture could not be drawn."""
        if self._failures:
            raise UserError(
                f"could not draw some pictures ({'; '.join(self._failures)}); "
                "everything else is written"
            )


def color(arm: str, index: int = 0) -> str:
    if arm in ARMS:
        return ARMS[arm].color
    return OTHER_COLORS[index % len(OTHER_COLORS)]
