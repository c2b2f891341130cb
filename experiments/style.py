"""One look for every picture: sizes, and colours that the colour-blind can tell."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Okabe and Ito's palette.
ARM_COLOURS = {
    "base": "#000000",
    "lm": "#D55E00",
    "mean_scale": "#0072B2",
    "shuffled_scale": "#56B4E9",
    "clip": "#009E73",
    "warmup": "#CC79A7",
}
OTHER_COLOURS = ("#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_SETTINGS: Any = {
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


@contextmanager
def figure(
    rows: int, columns: int, width: float = 3.2, height: float = 2.3
) -> Iterator:
    """A figure and its (rows, columns) axes in the project's style, closed at the end.

    Args:
      rows, columns: of axes.
      width, height: of one of them, in inches.
    """
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    with plt.rc_context(_SETTINGS):
        fig, axes = plt.subplots(
            rows, columns, figsize=(width * columns, height * rows), squeeze=False
        )
        try:
            yield fig, axes
        finally:
            plt.close(fig)


def colour(arm: str, index: int = 0) -> str:
    return ARM_COLOURS.get(arm, OTHER_COLOURS[index % len(OTHER_COLOURS)])
