"""Checkpoints of a run in progress: the newest sound one is gone on from.

    WORK/STEP/state/       the TrainState, by orbax
    WORK/STEP/metrics.npz  what was measured up to STEP, a column each
    WORK/STEP/digest       SHA-256 over both, written last

A checkpoint is written beside its name and renamed; the two newest are kept.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.training import TrainState

KEPT = 2

Columns = Mapping[str, np.ndarray]


def save(work: Path, state: TrainState, columns: Columns) -> None:
    """Write a checkpoint named after the state's step, and drop the old ones."""
    import orbax.checkpoint as ocp

    step = int(state.step)
    part = work / f".{step}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(part.absolute() / "state", state)
    arrays: dict[str, Any] = dict(columns)
    np.savez(part / "metrics.npz", **arrays)
    (part / "digest").write_text(_digest(state, columns))
    whole = work / str(step)
    shutil.rmtree(whole, ignore_errors=True)
    os.replace(part, whole)
    for old in _steps(work)[:-KEPT]:
        shutil.rmtree(work / str(old))


def newest(
    work: Path, abstract: TrainState, say: Callable[[str], None]
) -> tuple[TrainState, Columns] | None:
    """The newest checkpoint that is whole, or None; says which ones were passed over.

    Args:
      work: the directory of the run's checkpoints; need not exist.
      abstract: the state's shapes and dtypes, as from `jax.eval_shape`.
      say: called with a line for each damaged checkpoint.
    """
    for step in reversed(_steps(work)):
        try:
            return _load(work / str(step), abstract)
        # orbax and tensorstore raise whatever the damage makes of the bytes.
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            say(f"checkpoint {work / str(step)} is damaged and left out: {reason}")
    return None


def _load(path: Path, abstract: TrainState) -> tuple[TrainState, Columns]:
    import orbax.checkpoint as ocp

    with ocp.StandardCheckpointer() as checkpointer:
        state = checkpointer.restore(path.absolute() / "state", abstract)
    with np.load(path / "metrics.npz") as archive:
        columns = {name: archive[name] for name in archive.files}
    if _digest(state, columns) != (path / "digest").read_text():
        raise ValueError("its digest differs")
    return state, columns


def _steps(work: Path) -> list[int]:
    if not work.is_dir():
        return []
    return sorted(int(path.name) for path in work.iterdir() if path.name.isdigit())


def _digest(state: TrainState, columns: Columns) -> str:
    return digest([state, dict(columns)])


def digest(tree: Any) -> str:
    """SHA-256 over the bytes, shapes and dtypes of a tree's arrays."""
    sha = hashlib.sha256()
    for leaf in jax.tree.leaves(jax.device_get(tree)):
        array = np.asarray(leaf)
        sha.update(f"{array.dtype}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()
