"""A study's measurements so far, kept so that an interrupted study can be resumed.

parts/about.json   the options of the study, and the seconds spent on it
parts/NAME.npz     the results of one case: columns of numbers and text, as NumPy arrays
"""

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.errors import UserError
from experiments.machine import untrusted
from experiments.machine.files import replacing, write_text
from experiments.machine.stopping import Stop

FOLDER = "parts"
_NOT_PART_OF_IT = ("out", "overwrite", "resume", "dry_run")
Arrays = Mapping[str, np.ndarray]


class Parts:
    """The parts of a study in its directory; used by several threads at once.

    Args:
      options: of the study, as JSON; parts made with other options are rejected.
      resume: whether to continue what is there.
      stop: asked before each case.

    Raises:
      UserError: `resume` without a study to continue, or one with other options.
    """

    def __init__(self, out: Path, options: Mapping[str, Any], resume: bool, stop: Stop):
        self._folder = out / FOLDER
        self._about = self._folder / "about.json"
        self._options = json.loads(json.dumps(options))
        self._stop = stop
        self._lock = threading.Lock()
        self._before, self._began = 0.0, time.perf_counter()
        if resume:
            self._before = self._read_about()
        else:
            self.remove()
            self._folder.mkdir(parents=True)
            self._write_about()

    @property
    def seconds(self) -> float:
        """Seconds spent on the study, including interrupted attempts."""
        return self._before + time.perf_counter() - self._began

    def kept(self) -> set[str]:
        """The names of the existing parts, damaged or not."""
        return {path.stem for path in self._folder.glob("*.npz")}

    def of(self, name: str, measure: Callable[[], Arrays]) -> Arrays:
        """The part of that name, read from its file or else measured and saved now.

        Raises:
          Stopped: the part has to be measured, and there is a request to stop.
        """
        path = self._folder / f"{name}.npz"
        if (kept := _read(path)) is not None:
            return kept
        if self._stop():
            raise self._stop.stopped()
        arrays = measure()
        with replacing(path) as part, open(part, "wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        with self._lock:
            self._write_about()
        return arrays

    def remove(self) -> None:
        """Remove the parts, once the study is complete and written."""
        if self._folder.exists():
            for path in self._folder.glob("*.npz"):
                path.unlink()
            self._about.unlink(missing_ok=True)
            if not any(self._folder.iterdir()):
                self._folder.rmdir()

    def _write_about(self) -> None:
        about = {"options": self._options, "seconds": self.seconds}
        write_text(self._about, json.dumps(about, indent=2) + "\n")

    def _read_about(self) -> float:
        try:
            about = json.loads(self._about.read_text(encoding="utf-8"))
            options, seconds = dict(about["options"]), float(about["seconds"])
        except FileNotFoundError as error:
            raise UserError(
                f"{self._folder.parent} has no interrupted study: run this without "
                "--resume"
            ) from error
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(f"cannot read {self._about}: {error}") from error
        for name, wanted in self._options.items():
            if options.get(name) != wanted:
                raise UserError(
                    f"--{name.replace('_', '-')} was {options.get(name)!r} in the "
                    f"interrupted study, not {wanted!r}: resume it with the options "
                    "that it was started with, or start again with --overwrite"
                )
        return seconds


def options_of(config: Any) -> dict[str, Any]:
    """The options that a study's rows depend on."""
    fields = dataclasses.asdict(config)
    return {name: v for name, v in fields.items() if name not in _NOT_PART_OF_IT}


def interrupted(out: Path) -> bool:
    return (out / FOLDER / "about.json").exists()


def _read(path: Path) -> Arrays | None:
    """Arrays of a part; None where it is missing or damaged, to be measured again."""
    try:
        return untrusted.arrays(path)
    except (OSError, ValueError):
        return None
