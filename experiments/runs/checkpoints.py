"""Checkpoints of a run in progress; a run resumes from the newest intact one.

    WORK/STEP/state/     the TrainState, by orbax
    WORK/STEP/rows.json  which of the run's rows belong to it (growing.py)
    WORK/STEP/digest     SHA-256 over both, written last

A checkpoint is written under a temporary name and renamed; the two newest are kept.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.errors import UserError
from experiments.machine import untrusted
from experiments.machine.files import flush_tree
from experiments.train.step import TrainState

KEPT = 2
# orbax's own files, in bytes: names, shapes and an index.
OVERHEAD = 100_000


def save(work: Path, state: TrainState, counted: Mapping[str, Any]) -> None:
    """Write a checkpoint named after the state's step, and delete all but KEPT.

    Args:
      counted: the rows that belong to it, ready for JSON.

    Raises:
      UserError: it cannot be written. Existing checkpoints stay as they are.
    """
    step = int(state.step)
    part, whole = work / f".{step}.part", work / str(step)
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        _check_room(part, state)
        with _checkpointer() as checkpointer:
            checkpointer.save(part.absolute() / "state", jax.device_get(state))
        text = json.dumps(counted)
        (part / "rows.json").write_text(text, encoding="utf-8")
        (part / "digest").write_text(_digest(state, text.encode()), encoding="ascii")
        flush_tree(part)
        shutil.rmtree(whole, ignore_errors=True)
        os.replace(part, whole)
    # tensorstore has its own error for a failed write.
    except Exception as error:
        shutil.rmtree(part, ignore_errors=True)
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"cannot write a checkpoint to {work} ({reason}); make room there, then "
            "--resume continues from the previous one"
        ) from error
    steps = _steps(work)
    # Later ones were skipped as damaged when the run resumed.
    kept = [number for number in steps if number <= step][-KEPT:]
    for other in {*steps} - {*kept}:
        shutil.rmtree(work / str(other), ignore_errors=True)


def _check_room(part: Path, state: TrainState) -> None:
    """Raise OSError if the disk is full, before orbax's threads fill the screen."""
    needed = sum(array.nbytes for array in jax.tree.leaves(state)) + OVERHEAD
    free = shutil.disk_usage(part).free
    if free < needed:
        raise OSError(f"{free / 1e6:.1f} MB are free, but it needs {needed / 1e6:.1f}")


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
    for step in reversed(_steps(work)):
        try:
            state, counted = _load(work / str(step), abstract)
            resume(counted)
            return state
        # With damaged bytes, orbax and tensorstore may raise anything.
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            say(f"checkpoint {work / str(step)} is damaged and was skipped: {reason}")
    return None


def _checkpointer():
    """orbax's checkpointer for one process: the first of several saves for all."""
    import orbax.checkpoint as ocp

    me = jax.process_index()
    return ocp.StandardCheckpointer(
        multiprocessing_options=ocp.options.MultiprocessingOptions(
            primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"only{me}"
        )
    )


def _load(path: Path, abstract: TrainState) -> tuple[TrainState, dict[str, Any]]:
    with _checkpointer() as checkpointer:
        state = checkpointer.restore(path.absolute() / "state", abstract)
    content = untrusted.read_bytes(path / "rows.json")
    if _digest(state, content) != (path / "digest").read_text(encoding="ascii"):
        raise ValueError("its digest differs")
    return state, untrusted.json_object("rows.json", content)


def _steps(work: Path) -> list[int]:
    if not work.is_dir():
        return []
    return sorted(int(path.name) for path in work.iterdir() if path.name.isdigit())


def _digest(state: TrainState, rows: bytes) -> str:
    return hashlib.sha256(digest(state).encode() + rows).hexdigest()


def digest(tree: Any) -> str:
    """SHA-256 over the bytes, shapes and dtypes of a tree's arrays."""
    sha = hashlib.sha256()
    for leaf in jax.tree.leaves(jax.device_get(tree)):
        array = np.asarray(leaf)
        sha.update(f"{array.dtype}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()
