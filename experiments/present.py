"""What a command makes of its runs: sheets, table and curves."""

from collections.abc import Sequence
from pathlib import Path

from experiments import plots, sheets, tables
from experiments.rundir import Run


def present(runs: Sequence[Run], out: Path) -> None:
    """Write the sheets, the table and the curves to `out`; print the table."""
    if not runs:
        print(f"no run is finished yet in {out}")
        return
    sheets.write_sheets(runs, out)
    (out / "table.md").write_text(tables.markdown(runs))
    pictures = plots.draw_curves(runs, out)
    tables.print_table(runs)
    print(f"{out}: table.md, report*.csv, {', '.join(path.name for path in pictures)}")
