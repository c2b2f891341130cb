"""`precision`: what bfloat16 does to accuracy, from finished run directories."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import tyro

from benchmarks import report
from experiments.errors import UserError


@dataclasses.dataclass(frozen=True)
class Config:
    """Compare runs that differ in --precision alone, seed by seed."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Directories with runs of both precisions at or below them."""
    out: Path | None = None
    """A JSON file for the figures."""


def run(config: Config) -> None:
    from experiments.rundir import Run, find_some_runs

    found = find_some_runs(config.runs)
    groups: dict[tuple[Any, ...], dict[tuple[str, int], Run]] = {}
    for one in found:
        c = one.config
        key = (c.dataset, c.model, c.optimizer, c.arm, c.epochs, c.limit_train)
        groups.setdefault(key, {})[c.precision, c.seed] = one
    rows = [row for key, runs in groups.items() if (row := _row(key, runs))]
    if not rows:
        raise UserError("no two runs differ in their precision alone")
    for row in rows:
        print(
            f"{row['dataset']:8} {row['model']:11} {row['optimizer']:8} "
            f"n = {len(row['seeds'])}   float32 {row['float32_mean']:.2f} %   "
            f"bfloat16 {row['bfloat16_mean']:.2f} %   "
            f"difference {row['difference_mean']:+.2f} ± {row['difference_sd']:.2f}"
        )
    kept = {name: found[0].meta[name] for name in ("commit", "versions", "machine")}
    report.write(config.out, config, rows, **kept)


def _row(key: tuple[Any, ...], runs: dict[tuple[str, int], Any]) -> dict[str, Any]:
    """Test accuracies in per cent; empty where no seed has both precisions."""
    import numpy as np

    seeds = sorted(
        seed
        for precision, seed in runs
        if {("float32", seed), ("bfloat16", seed)} <= set(runs)
        and precision == "float32"
    )
    if not seeds:
        return {}
    accuracy = {
        precision: np.array([runs[precision, s].result["test_accuracy"] for s in seeds])
        for precision in ("float32", "bfloat16")
    }
    difference = accuracy["bfloat16"] - accuracy["float32"]
    names = ("dataset", "model", "optimizer", "arm", "epochs", "limit_train")
    return dict(zip(names, key)) | {
        "seeds": seeds,
        "float32": accuracy["float32"].tolist(),
        "bfloat16": accuracy["bfloat16"].tolist(),
        "float32_mean": float(accuracy["float32"].mean()),
        "bfloat16_mean": float(accuracy["bfloat16"].mean()),
        "difference_mean": float(difference.mean()),
        "difference_sd": float(difference.std(ddof=1)) if len(seeds) > 1 else 0.0,
    }
