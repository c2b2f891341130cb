"""Checkpoints of a run in progress; a run resumes from the newest intact one.

    WORK/STEP.npz   the TrainState's arrays, in order; which of the run's rows belong to
                    it (growing.py); and SHA-256 over both

A checkpoint is written under a temporary name and renamed; the two newest are kept.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.errors import UserError
from experiments.machine.files import replacing
from experiments.train.step import TrainState

KEPT = 2


def save(work: Path, state: TrainState, counted: Mapping[str, Any]) -> None:
    """Write a checkpoint named after the state's step, and delete all but KEPT.

    Args:
      counted: the rows that belong to it, ready for JSON.

    Raises:
      UserError: it cannot be written. Existing checkpoints stay as they are.
    """
    state, rows = jax.device_get(state), json.dumps(counted)
    about = {"rows": rows, "digest": _digest(state, rows)}
    try:
        work.mkdir(parents=True, exist_ok=True)
        with replacing(_file(work, int(state.step))) as part:
            np.savez(part, *jax.tree.leaves(state), **about)  # type: ignore[arg-type]
    except OSError as error:
        raise UserError(
            f"cannot write a checkpoint to {work} ({error}); make room there, then "
            "--resume continues from the previous one"
        ) from error
    # Later ones were skipped as damaged when the run resumed.
    kept = [step for step in steps(work) if step <= state.step][-KEPT:]
    for step in {*steps(work)} - {*kept}:
        _file(work, step).unlink()


def newest(
    work: Path,
    abstract: TrainState,
    say: Callable[[str], None],
    resume: Callable[[Mapping[str, Any]], None],
) -> TrainState | None:
    """The newest intact checkpoint's state, or None; reports those that it skips.

    Args:
      work: the directory of the run's checkpoints; need not exist.
      abstract: the state's shapes and dtypes, as from `jax.eval_shape`.
      say: called with a line for each damaged checkpoint.
      resume: called with what the checkpoint counted; any error skips it.
    """
    for step in reversed(steps(work)):
        path = _file(work, step)
        try:
            state, counted = _load(path, abstract)
            resume(counted)
            return state
        # With damaged bytes, NumPy and zipfile raise errors of no common type.
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            say(f"checkpoint {path} is damaged and was skipped: {reason}")
    return None


def steps(work: Path) -> list[int]:
    """The steps of a run's checkpoints, in order."""
    return sorted(int(x.stem) for x in work.glob("*.npz") if x.stem.isdecimal())


def _file(work: Path, step: int) -> Path:
    return work / f"{step}.npz"


def _load(path: Path, abstract: TrainState) -> tuple[TrainState, dict[str, Any]]:
    wanted, structure = jax.tree.flatten(abstract)
    with np.load(path) as archive:
        arrays = [archive[f"arr_{i}"] for i in range(len(wanted))]
        rows, digest = str(archive["rows"]), str(archive["digest"])
    if [(x.shape, x.dtype) for x in arrays] != [(x.shape, x.dtype) for x in wanted]:
        raise ValueError("its arrays are of another network or optimizer")
    state = jax.tree.unflatten(structure, map(jax.numpy.asarray, arrays))
    if _digest(state, rows) != digest:
        raise ValueError("its digest differs")
    return state, json.loads(rows)


def _digest(state: TrainState, rows: str) -> str:
    return hashlib.sha256((digest(state) + rows).encode()).hexdigest()


def digest(tree: Any) -> str:
    """SHA-256 over the bytes, shapes and dtypes of a tree's arrays."""
    sha = hashlib.sha256()
    for leaf in jax.tree.leaves(jax.device_get(tree)):
        array = np.asarray(leaf)
        sha.update(f"{array.dtype}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()
