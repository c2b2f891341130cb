"""Result directories: how they are made, marked, locked, and emptied by --overwrite.

OUT/.landmod-results    the mark: without it, nothing is deleted. Sweeps share a
                        lock on it; --overwrite locks it exclusively
OUT/runs/RUN_ID/        one directory per finished run (run_directory.py)
OUT/runs/.RUN_ID.work/  checkpoints of a run in progress (checkpoints.py)
OUT/runs/.RUN_ID.live/  its rows so far (growing.py)
OUT/runs/.RUN_ID.lock   held by the process that works on the run
OUT/lr-sweep/           a result directory of trials, and rates.csv
OUT/log.txt             what the terminal showed (machine/log.py)
OUT/…                   the sheets, the table and the curves made from the runs
"""

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from experiments.config.execution import Execution
from experiments.errors import UserError
from experiments.machine import log
from experiments.runs.run_directory import NAME, TRIALS

MARK = ".landmod-results"
_TEXT = "Made by landmod_jax. --overwrite deletes its runs and what was made of them.\n"
_RUN = re.compile(rf"{NAME}|\.{NAME}\.(work|live|lock|part)")
_MADE_OF_RUNS = re.compile(
    r"(\.[0-9a-f]{8}\.part\.)?"  # files.replacing
    r"(report(_loss|_avg_loss|_c|_accuracy)?\.csv|report\.html|report\.md|"
    rf"(loss|test_accuracy|c|scale)\.png|{log.FILE})"
)


@contextlib.contextmanager
def opened(out: Path, execution: Execution) -> Iterator[Path]:
    """A result directory for a sweep, locked during the block; yields OUT/runs.

    Raises:
      UserError: it is not ours, already has results, is in use by another command but
        should be overwritten, or cannot be written to.
    """
    try:
        with contextlib.ExitStack() as held:
            check(out, execution)
            out.mkdir(parents=True, exist_ok=True)
            mark = held.enter_context(open(out / MARK, "a", encoding="utf-8"))
            if execution.overwrite:
                _empty(out, mark)
            fcntl.flock(mark, fcntl.LOCK_SH)
            if mark.tell() == 0:
                mark.write(_TEXT)
                mark.flush()
            (out / "runs").mkdir(exist_ok=True)
            kept = held.pop_all()
    except OSError as error:
        raise UserError(f"cannot write results to {out}: {error}") from error
    with kept:
        yield out / "runs"


def check(out: Path, execution: Execution) -> None:
    """Reject directories that must not be written to, or not without an option.

    Raises:
      UserError: with what to do.
    """
    if not out.exists() or (out.is_dir() and not {*os.listdir(out)} - {MARK}):
        return
    if not (out / MARK).is_file():
        raise UserError(
            f"{out} exists and is not a result directory (it has no {MARK}): choose "
            "another --out"
        )
    if not (execution.overwrite or execution.resume):
        raise UserError(
            f"{out} already has results: --resume continues there, --overwrite "
            "deletes them, --out chooses another directory"
        )


def _empty(out: Path, mark) -> None:
    """Delete what sweeps have written, unless one is running."""
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UserError(
            f"{out} is in use by another command: --overwrite deletes nothing there "
            "until that command ends"
        ) from error
    for directory, ours in ((out, _MADE_OF_RUNS), (out / "runs", _RUN)):
        for path in directory.iterdir() if directory.is_dir() else ():
            if ours.fullmatch(path.name) or path == out / TRIALS:
                _delete(path)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
