"""The style of all pictures, with colors that color-blind readers can tell apart."""

import os
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
def picture(
    path: Path,
    count: int = 1,
    columns: int = 1,
    width: float = 3.2,
    height: float = 2.3,
    legend: str = "lower center",
) -> Iterator[Any]:
    """The axes (rows, columns) of a picture, which is written to `path` at the end.

    It neither depends on nor changes the user's own settings, such as a notebook's
    backend.

    Args:
      count: of axes, in rows of at most `columns`.
      width, height: of one of them, in inches.
      legend: where to put one legend of all axes, outside of them; "" for none.
    """
    matplotlib = _matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(columns, count)
    rows = -(-count // columns)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        fig = Figure(figsize=(width * columns, height * rows))
        FigureCanvasAgg(fig)
        axes = fig.subplots(rows, columns, squeeze=False)
        for axis in axes.flat[count:]:
            axis.set_axis_off()
        yield axes
        if legend:
            _add_legend(fig, f"outside {legend}")
        save(fig, path)


def _matplotlib() -> Any:
    """Matplotlib, whose import fails if MPLBACKEND names a missing backend."""
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    return matplotlib


def save(fig: Any, path: Path) -> None:
    """Write a figure to a file, which is replaced atomically."""
    with files.replacing(path) as part:
        fig.savefig(part)


def heading(axes: Any, text: object, size: float = 9) -> None:
    """A title above all axes, wrapped to the picture's width."""
    fig = axes[0][0].figure
    fig.suptitle(wrapped(text, fig.get_figwidth(), size), fontsize=size)


def wrapped(text: object, width: float, size: float) -> str:
    """Words wrapped to `width` inches, in letters of `size` points."""
    letters = int(width * 72 / (0.55 * size))
    return textwrap.fill(words(text), letters, break_on_hyphens=False)


def _add_legend(fig: Any, place: str) -> None:
    """A legend that covers no line, with a sample for each label."""
    shown: dict[str, Any] = {}
    for axis in fig.axes:
        for handle, label in zip(*axis.get_legend_handles_labels()):
            shown.setdefault(label, handle)
    if shown:
        longest = max(map(len, shown)) * 5 + 40  # points: letters, and a line sample
        columns = min(len(shown), int(fig.get_figwidth() * 72 / longest))
        columns = 1 if "right" in place else max(1, columns)
        fig.legend(shown.values(), shown, loc=place, ncols=columns)


def band(
    axis: Any, x: Any, middle: Any, low: Any, high: Any, *form: str, **look: Any
) -> None:
    """A curve and a band around it in its color; `form` and `look` are of `plot`."""
    (line,) = axis.plot(x, middle, *form, **look)
    axis.fill_between(x, low, high, color=line.get_color(), alpha=0.15, lw=0)


def rate_axis(axis: Any, ticks: Sequence[float]) -> None:
    """A logarithmic axis of learning rates."""
    axis.set_xscale("log")
    axis.set_xticks(ticks, [f"{rate:g}" for rate in ticks])
    axis.minorticks_off()


def words(text: object) -> str:
    """Text for a figure, with nothing interpreted as a formula."""
    return printable(text, keep="\n").replace("$", r"\$")


class Drawing:
    """Draws pictures; if one fails, the others are still drawn."""

    def __init__(self) -> None:
        self._failures: dict[str, None] = {}  # in order, each once

    def of(self, draw: Callable[[Path], Any], path: Path) -> Any:
        """What `draw(path)` gives; nothing if it fails."""
        try:
            return draw(path)
        # Depending on numbers and fonts, Matplotlib may raise anything.
        except Exception as error:
            reason = (str(error).strip() or "no reason given").splitlines()[0]
            self._failures[f"{path.name}: {type(error).__name__}: {reason}"] = None
            return ()

    def raise_failures(self) -> None:
        """Raise UserError if a picture could not be drawn."""
        if self._failures:
            raise UserError(
                f"could not draw some pictures ({'; '.join(self._failures)}); "
                "everything else is written"
            )
