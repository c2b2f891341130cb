"""Measures the parts that a study lacks, one after the other."""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.errors import UserError
from experiments.machine import untrusted
from experiments.machine.files import replacing
from experiments.machine.locks import locked
from experiments.machine.progress import Progress
from experiments.machine.stopping import Stop
from experiments.runs.provenance import provenance
from experiments.runs.remaining import in_words
from experiments.runs.rows import without_places
from experiments.study import store
from experiments.study.record import Arrays, Context, Study


def run(
    study: Study, config: Any, out: Path, id_: str, stop: Stop, shown: Progress
) -> None:
    """Measure the parts that `out` lacks, and print a line for each finished one.

    Parts that another command is measuring are left to it.

    Raises:
      Stopped: on a request to stop; `out` has the finished parts.
      UserError: `out` cannot be written to.
    """
    origin = provenance()
    origin |= {"command": without_places(origin["command"])}
    parts = [part.name for part in study.parts(config)]
    missing = store.unfinished(study, out, parts)
    for part, reason in missing.items():
        if reason:
            untrusted.leave_out(f"{part}, which is measured again: {reason}")
    shown.line(f"{len(missing)} of {study.count(len(parts))} to measure")
    shown.begin(f"{study.noun}s", len(missing))
    memory: dict[Any, Any] = {}
    spent = 0.0
    for number, part in enumerate(missing, start=1):
        if stop():
            raise stop.stopped()
        with locked(store.lock(out, part)) as mine:
            if not mine:
                shown.line(f"{part}: another command is measuring it")
                continue
            # Another command may have finished it since.
            if not store.unfinished(study, out, [part]):
                continue
            pieces = Pieces(out, id_, part, stop)
            context = Context(
                pieces.kept, pieces.check, shown.line, shown.compiling, memory
            )
            frames = study.measure(config, part, context)
            about = {"seconds": pieces.seconds} | origin
            try:
                store.write(study, out, id_, part, about, frames)
                pieces.remove()
            except OSError as error:
                raise UserError(f"cannot write {part} to {out}: {error}") from error
        shown.advance()
        shown.line(f"{number}/{len(missing)} {study.line(part, frames)}")
        spent += pieces.seconds
        if rest := len(missing) - number:
            left = in_words(spent / number * rest)
            shown.line(f"{left} left, if all {study.noun}s are alike")


class Pieces:
    """What an attempt at a part has measured, kept in case that it is interrupted.

    A piece is a file of arrays, with the study and the part to which it belongs, its
    own name, the seconds until then, and a digest of the arrays.
    """

    def __init__(self, out: Path, id_: str, part: str, stop: Stop):
        self._folder, self._part, self._stop = out / store.PIECES, part, stop
        self._origin = {"study": id_, "part": part}
        self._lock = threading.Lock()
        self._before, self._began = 0.0, time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds spent on the part, including those of interrupted attempts."""
        return self._before + time.perf_counter() - self._began

    def kept(self, name: str, measure: Callable[[], Arrays]) -> Arrays:
        """The piece of that name, read from its file or else measured and written.

        Raises:
          Stopped: the piece has to be measured, and there is a request to stop.
        """
        path = self._folder / f"{self._part}.{name}.npz"
        origin = self._origin | {"piece": name}
        if path.exists() and (arrays := self._read(path, origin)) is not None:
            return arrays
        self.check()
        arrays = {key: np.asarray(array) for key, array in measure().items()}
        about = origin | {"seconds": self.seconds, "digest": _digest(arrays)}
        self._folder.mkdir(exist_ok=True)
        with replacing(path) as part, open(part, "wb") as file:
            np.savez_compressed(file, about=json.dumps(about), **arrays)  # type: ignore[arg-type]
        return arrays

    def check(self) -> None:
        """Raise Stopped on a request to stop."""
        if self._stop():
            raise self._stop.stopped()

    def remove(self) -> None:
        for path in self._folder.glob(f"{self._part}.*.npz"):
            path.unlink()
        if self._folder.is_dir() and not any(self._folder.iterdir()):
            self._folder.rmdir()

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
            untrusted.leave_out(f"{path.name}, which is measured again: {error}")
            return None


def _digest(arrays: Arrays) -> str:
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {array.dtype} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()
