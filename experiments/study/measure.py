"""Measures the parts that a study lacks, one after the other."""

import contextlib
import hashlib
import json
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.errors import UserError
from experiments.machine import log, untrusted
from experiments.machine.files import replacing
from experiments.machine.locks import locked
from experiments.machine.progress import Progress
from experiments.machine.stopping import Stop
from experiments.runs import provenance
from experiments.runs.remaining import in_words
from experiments.runs.rows import without_places
from experiments.study import store
from experiments.study.pace import Pace
from experiments.study.record import Arrays, Context, Part, Study
from experiments.text import plural

MINUTE = 60  # seconds


def run(study: Study, config: Any, id_: str, stop: Stop, shown: Progress) -> None:
    """Measure the parts that are missing, and print a line for each finished one.

    Parts that another command is measuring are left to it.

    Raises:
      Stopped: on a request to stop; the directory has the finished parts.
      UserError: the directory cannot be written to.
    """
    out = config.out
    origin = provenance.provenance()
    origin |= {"command": without_places(origin["command"])}
    parts = {part.name: part for part in study.parts(config)}
    missing = store.unfinished(study, out, parts)
    for name, reason in missing.items():
        if reason:
            untrusted.leave_out(f"{name}, which is measured again: {reason}")
    left = [parts[name] for name in missing]
    if str(origin["commit"]).endswith("-dirty"):
        log.say(
            "warning: files differ from their commit, so the rows are marked as of "
            f"{origin['commit']}; commit first if they are to be published"
        )
    shown.begin(str(out), len(left), f"{plural(len(left), study.noun)} to measure")
    pace = Pace.of(study, out)
    memory: dict[Any, Any] = {}
    while left:
        if stop():
            raise stop.stopped()
        part, *left = left
        with locked(store.lock(out, part.name)) as mine:
            if not mine:
                shown.line(f"{part.name}: another command is measuring it")
                continue
            # Another command may have finished it since.
            if not store.unfinished(study, out, [part.name]):
                continue
            shown.line(part.name + _words(pace, [part], "takes {}"))
            pieces = Pieces(out, id_, part, stop, shown)
            context = Context(pieces.kept, pieces.check, shown.line, memory)
            frames = study.measure(config, part.name, context)
            about = {"seconds": pieces.seconds} | origin
            try:
                store.write(study, out, id_, part.name, about, frames)
                pieces.remove()
            except OSError as error:
                raise UserError(
                    f"cannot write {part.name} to {out}: {error}"
                ) from error
        pace.add(part.sort, part.amount, pieces.seconds, provenance.device(about))
        shown.advance()
        rest = _words(pace, left, f"{{}} for {study.count(len(left))}") if left else ""
        shown.line(f"{study.line(part.name, frames)}{rest}")


def _words(pace: Pace, parts: Sequence[Part], words: str) -> str:
    seconds = pace.seconds(parts)
    return "" if seconds is None else f"; {words.format(in_words(seconds))}"


class Pieces:
    """What an attempt at a part has measured, kept in case that it is interrupted.

    A piece is a file of arrays, with the study and the part to which it belongs, its
    own name, the seconds until then, and a digest of the arrays.
    """

    def __init__(self, out: Path, id_: str, part: Part, stop: Stop, shown: Progress):
        self._folder = out / store.PIECES / part.name
        self._part, self._stop = part, stop
        self._origin = {"study": id_, "part": part.name}
        self._shown, self._count = shown, 0
        self._lock = threading.Lock()
        self._before, self._began = 0.0, time.perf_counter()
        self._said = self._began

    @property
    def seconds(self) -> float:
        """Seconds spent on the part, including those of interrupted attempts."""
        return self._before + time.perf_counter() - self._began

    def kept(self, name: str, measure: Callable[[], Arrays]) -> Arrays:
        """The piece of that name, read from its file or else measured and written.

        Raises:
          Stopped: the piece has to be measured, and there is a request to stop.
        """
        path = self._folder / f"{name}.npz"
        origin = self._origin | {"piece": name}
        arrays = self._read(path, origin) if path.exists() else None
        if arrays is None:
            self.check()
            arrays = {key: np.asarray(array) for key, array in measure().items()}
            about = origin | {"seconds": self.seconds, "digest": _digest(arrays)}
            self._folder.mkdir(parents=True, exist_ok=True)
            with replacing(path) as part, open(part, "wb") as file:
                np.savez_compressed(file, about=json.dumps(about), **arrays)  # type: ignore[arg-type]
        self._show()
        return arrays

    def _show(self) -> None:
        """How far the part is: below a bar, and as a line about once a minute."""
        with self._lock:
            self._count += 1
            count = self._part.pieces
            pieces = plural(count, "piece")
            reached = f"{self._part.name}: {self._count} of {count} {pieces}"
            if self._count < count:
                left = self.seconds / self._count * (count - self._count)
                reached += f", {in_words(left)} left"
            self._shown.whole(reached)
            if time.perf_counter() - self._said > MINUTE:
                self._said = time.perf_counter()
                self._shown.line(reached)

    def check(self) -> None:
        """Raise Stopped on a request to stop."""
        if self._stop():
            raise self._stop.stopped()

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # it has other parts' pieces, or never was
            self._folder.parent.rmdir()

    def _read(self, path: Path, origin: dict[str, str]) -> Arrays | None:
        """A piece; None, to be measured again, if it is damaged or another's."""
        try:
            arrays = untrusted.arrays(path)
            about = json.loads(str(arrays.pop("about")))
            wanted = origin | {"digest": _digest(arrays)}
            if not wanted.items() <= about.items():
                raise ValueError("it has changed, or is of another study")
            with self._lock:
                self._before = max(self._before, float(about["seconds"]))
            return arrays
        except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
            piece = f"{path.parent.name}/{path.name}"
            untrusted.leave_out(f"{piece}, which is measured again: {error}")
            return None


def _digest(arrays: Arrays) -> str:
    sha = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        sha.update(f"{name} {array.dtype} {array.shape}".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()
