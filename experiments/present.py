"""What a command shows of its runs: sheets, table and curves."""

from collections.abc import Sequence
from pathlib import Path

from experiments.rundir import Run


def present(runs: Sequence[Run], out: Path) -> None:
    """Write the sheets, the table and the curves to `out`; print the table."""
    print(f"results: {out}")
