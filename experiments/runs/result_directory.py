"""Result directories: how they are made, marked, locked, and emptied by --overwrite.

OUT/.landmod-results    the mark: without it, nothing is deleted. Sweeps and readers
                        share a lock on it; --overwrite locks it exclusively
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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.config.execution import Execution
from experiments.errors import UserError
from experiments.machine import log
from experiments.machine.locks import locked
from experiments.machine.untrusted import directories_with
from experiments.runs import growing
from experiments.runs.run_directory import NAME, TRIALS, delete_run, remove_if_empty

MARK = ".landmod-results"
_TEXT = "Made by landmod_jax. --overwrite deletes what it wrote here, nothing else.\n"

# An older version's checkpoints have metrics.npz.
CHECKPOINT_FILES = frozenset(("rows.json", "metrics.npz", "digest"))
MADE_OF_RUNS = frozenset(
    (
        *("report.html", "report.md", "report.csv", "rates.csv", log.FILE),
        *(f"report_{name}.csv" for name in ("loss", "avg_loss", "c", "accuracy")),
        *(f"{name}.png" for name in ("loss", "test_accuracy", "c", "scale")),
    )
)
_PART_OF = re.compile(r"\.[0-9a-f]{8}\.part\.")  # files.replacing


@contextmanager
def opened(out: Path, execution: Execution) -> Iterator[Path]:
    """A result directory for a sweep, locked during the block; yields OUT/runs.

    Raises:
      UserError: it is not ours, already has results, is in use by another command but
        should be overwritten, or cannot be written to.
    """
    if execution.resume and execution.overwrite:
        raise UserError("--resume and --overwrite exclude each other")
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


@contextmanager
def reading(roots: Iterable[Path]) -> Iterator[None]:
    """Keep --overwrite out of the result directories at, below or above `roots`.

    Raises:
      UserError: one is being overwritten.
    """
    with contextlib.ExitStack() as held:
        for root in roots:
            near = [root / MARK, root.parent / MARK, root.parent.parent / MARK]
            below = directories_with(MARK, root, say=lambda reason: None)
            for mark in {*near, *(directory / MARK for directory in below)}:
                try:
                    # Opening a pipe that nobody writes to would block.
                    file = os.open(mark, os.O_RDONLY | os.O_NONBLOCK)
                    held.callback(os.close, file)
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise UserError(
                        f"{mark.parent} is being overwritten: try again in a moment"
                    ) from error
                except OSError:
                    pass  # there is none, or no locks on this file system
        yield


def check(out: Path, execution: Execution) -> None:
    """Reject directories that must not be written to, or not without an option.

    Raises:
      UserError: with what to do.
    """
    try:
        os.fspath(out.absolute()).encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"{out.absolute()} is not UTF-8, which checkpoints need: choose another "
            "--out"
        ) from error
    if not out.exists() or (out.is_dir() and not _entries(out)):
        return
    ours = out.is_dir() and (out / MARK).is_file()
    if not ours and not (out.is_dir() and _has_our_runs(out)):
        raise UserError(
            f"{out} exists and is not a result directory: choose another --out"
        )
    if execution.overwrite:
        if not ours:
            raise UserError(
                f"{out} has no {MARK}, the mark of a directory that --overwrite may "
                "empty, so nothing was deleted: choose another --out, delete it "
                "yourself, or mark it by running once with --resume"
            )
        if (place := _protected(out)) is not None:
            raise UserError(
                f"--overwrite deletes nothing in {out}, which is or contains {place}: "
                "choose another --out"
            )
    elif not execution.resume:
        raise UserError(
            f"{out} already has results: --resume continues there, --overwrite "
            "deletes them, --out chooses another directory"
        )


def _entries(out: Path) -> list[Path]:
    return [path for path in out.iterdir() if path.name != MARK]


def _has_our_runs(out: Path) -> bool:
    """Whether a directory without the mark looks like an older sweep's."""
    runs = out / "runs"
    if not runs.is_dir():
        return False
    names = [path.name for path in runs.iterdir()]
    if not names:
        return {path.name for path in out.iterdir()} == {"runs"}
    return any(
        re.fullmatch(rf"{NAME}|\.{NAME}\.(work|live|lock|part)", name) for name in names
    )


def _protected(out: Path) -> str | None:
    """Which place that --overwrite never empties `out` is or contains, if any."""
    places = {"the checkout": Path(__file__).parents[1]}
    with contextlib.suppress(OSError):
        places["the working directory"] = Path.cwd()
    with contextlib.suppress(RuntimeError):
        places["the home directory"] = Path.home()
    for name, place in places.items():
        if place.resolve().is_relative_to(out.resolve()):
            return name
    return None


def _empty(out: Path, mark) -> None:
    """Delete what sweeps have written, unless one is running."""
    in_use = UserError(
        f"{out} is in use by another command: --overwrite deletes nothing there until "
        "that command ends"
    )
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise in_use from None
    with contextlib.ExitStack() as held:
        # An older version does not lock the mark, only its runs.
        for runs in (out / "runs", out / TRIALS / "runs"):
            for path in _ours(runs, rf"\.{NAME}\.lock"):
                if not held.enter_context(locked(path)):
                    raise in_use
    _delete(out / TRIALS)
    with contextlib.suppress(FileNotFoundError):
        (out / TRIALS / MARK).unlink()
    remove_if_empty(out / TRIALS)
    _delete(out)


def _delete(out: Path) -> None:
    if out.is_symlink() or not out.is_dir():
        return
    for path in out.iterdir():
        if _PART_OF.sub("", path.name, count=1) in MADE_OF_RUNS and not path.is_dir():
            path.unlink()
    runs = out / "runs"
    for path in _ours(runs, rf"{NAME}|\.{NAME}\.part"):
        delete_run(path)
    for path in _ours(runs, rf"\.{NAME}\.work"):
        _delete_checkpoints(path)
    for path in _ours(runs, rf"\.{NAME}\.live"):
        growing.delete(path)
    if out.name == TRIALS:
        remove_if_empty(runs)


def _ours(runs: Path, pattern: str) -> list[Path]:
    if not runs.is_dir():
        return []
    return [path for path in runs.iterdir() if re.fullmatch(pattern, path.name)]


def _delete_checkpoints(work: Path) -> None:
    if work.is_symlink() or not work.is_dir():
        return
    for step in work.iterdir():
        if not re.fullmatch(r"\d+|\.\d+\.part", step.name) or step.is_symlink():
            continue
        for file in step.iterdir():
            if file.name in CHECKPOINT_FILES:
                file.unlink()
            elif file.name == "state" or file.name.startswith("state.orbax"):
                shutil.rmtree(file)
        remove_if_empty(step)
    remove_if_empty(work)
