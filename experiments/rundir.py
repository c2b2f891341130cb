"""Run directories: what a run writes, and reading it back.

    RUN/config.json   the RunConfig
    RUN/meta.json     versions, machine, commit, command, start
    RUN/steps.csv     step, epoch, loss, c, scale        one row per training step
    RUN/epochs.csv    epoch, test_accuracy (per cent), test_loss, seconds
    RUN/result.json   status, average_last_loss, test_accuracy (per cent), collapsed,
                      steps, seconds, params_sha256, digest (of all that was measured)
    RUN/weights.npz   the final weights, where they were asked for

A directory appears under its name only when it is whole: it is written beside it and
renamed. c and scale are empty for an arm that has no landscape.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.config import RunConfig
from experiments.errors import UserError
from experiments.files import flush_tree

if TYPE_CHECKING:
    import pandas as pd

FILES = ("config.json", "meta.json", "steps.csv", "epochs.csv", "result.json")
WINDOW = 20  # mini-batches per loss average in the thesis's script


@dataclasses.dataclass(frozen=True)
class Run:
    """One finished run, as read from its directory."""

    path: Path
    config: RunConfig
    meta: dict[str, Any]
    result: dict[str, Any]
    steps: "pd.DataFrame"
    epochs: "pd.DataFrame"


def average_last_loss(losses: np.ndarray) -> float:
    """The mean over the last complete window of 20 mini-batches of the final epoch.

    Args:
      losses: (steps in the final epoch,) mini-batch losses. With fewer than 20, all of
        them are averaged.
    """
    last = len(losses) // WINDOW * WINDOW
    window = losses[last - WINDOW : last] if last else losses
    return float(np.mean(np.asarray(window, np.float64)))


def write_run(
    path: Path,
    config: RunConfig,
    meta: dict[str, Any],
    result: dict[str, Any],
    steps: "pd.DataFrame",
    epochs: "pd.DataFrame",
    weights: dict[str, Any] | None = None,
) -> None:
    """Write a whole run directory, replacing one that is there.

    Raises:
      UserError: it cannot be written; what is there stays.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        _write_json(part / "config.json", dataclasses.asdict(config))
        _write_json(part / "meta.json", meta)
        # Nine significant digits carry a float32 over exactly.
        for name, frame in (("steps", steps), ("epochs", epochs)):
            frame.to_csv(
                part / f"{name}.csv",
                index=False,
                float_format="%.9g",
                encoding="utf-8",
                lineterminator="\n",
            )
        if weights is not None:
            from flax.traverse_util import flatten_dict

            np.savez(part / "weights.npz", **flatten_dict(weights, sep="/"))
        digest = digest_of(
            (part / "config.json").read_bytes(),
            (part / "steps.csv").read_bytes(),
            (part / "epochs.csv").read_bytes(),
            result,
        )
        _write_json(part / "result.json", result | {"digest": digest})
        flush_tree(part)
        if path.exists():
            delete_run(path)
        os.replace(part, path)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise UserError(
            f"cannot write the run directory {path} ({error}); make room there, and "
            "--resume goes on from its last checkpoint"
        ) from error


def delete_run(path: Path) -> None:
    """Delete the files of a run directory; others, and then the directory, stay."""
    if path.is_symlink() or not path.is_dir():
        return
    for file in path.iterdir():
        if file.name in (*FILES, "weights.npz"):
            file.unlink()
    remove_if_empty(path)


def remove_if_empty(directory: Path) -> None:
    with contextlib.suppress(OSError):
        directory.rmdir()


def digest_of(
    config: bytes, steps: bytes, epochs: bytes, result: dict[str, Any]
) -> str:
    """SHA-256 over config.json, steps.csv, epochs.csv, and result.json's values.

    Args:
      config, steps, epochs: the bytes of these files.
      result: what result.json holds beside the digest.
    """
    canonical = json.dumps(result, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(config + steps + epochs + canonical.encode()).hexdigest()


def read_run(path: Path) -> Run:
    """Read a run directory; a missing or damaged file is an error that names it."""
    import pandas as pd

    try:
        run = Run(
            path=path,
            config=RunConfig.from_dict(json.loads((path / "config.json").read_text())),
            meta=json.loads((path / "meta.json").read_text()),
            result=json.loads((path / "result.json").read_text()),
            steps=pd.read_csv(path / "steps.csv", dtype={"c": float, "scale": float}),
            epochs=pd.read_csv(path / "epochs.csv"),
        )
        run.result.pop("digest", None)
        if len(run.steps) != run.result.get("steps", len(run.steps)):
            raise ValueError(
                f"steps.csv has {len(run.steps)} of {run.result['steps']} steps"
            )
        return run
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{path} is not a complete run directory ({error}); "
            "delete it and run its command again"
        ) from error


def read_weights(path: Path) -> dict[str, Any]:
    """The final weights that a run was told to keep: params and batch_stats."""
    from flax.traverse_util import unflatten_dict

    try:
        with np.load(path / "weights.npz") as archive:
            flat = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path} has no weights to start from ({error}): run it with --keep-weights"
        ) from error
    return {"params": {}, "batch_stats": {}} | unflatten_dict(flat, sep="/")


def is_run(path: Path) -> bool:
    """Whether a finished run lies at path."""
    return (path / "result.json").is_file()


def find_runs(roots: Iterable[Path]) -> list[Run]:
    """Every finished run at or below the given directories, sorted by path."""
    found = set()
    for root in roots:
        if not root.exists():
            raise UserError(f"{root} does not exist")
        found |= {result.parent for result in root.rglob("result.json")}
    return [read_run(path) for path in sorted(found) if not path.name.startswith(".")]


def find_some_runs(roots: Sequence[Path]) -> list[Run]:
    """As `find_runs`; none at all is an error."""
    runs = find_runs(roots)
    if not runs:
        raise UserError(f"no finished run lies under {', '.join(map(str, roots))}")
    return runs


def rows(runs: Iterable[Run]) -> "pd.DataFrame":
    """One row per run: its configuration, then its result."""
    import pandas as pd

    return pd.DataFrame(
        [
            dataclasses.asdict(run.config) | run.result | {"run": run.path.name}
            for run in runs
        ]
    )


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
