"""The rows of an unfinished run, for curves that grow with it.

    .RUN_ID.live/config.json  as in the run directory
    .RUN_ID.live/steps.csv    likewise, up to the last epoch
    .RUN_ID.live/epochs.csv
    .RUN_ID.live/failed.txt   the error that ended the run, if one did

Nothing resumes from these files. A run that resumes replaces them with the rows of its
checkpoint, and writes its run directory from its own measurements. A kill at any moment
may leave rows here that are ahead of the checkpoint, but it changes no result.
"""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from experiments.config.run import RunConfig
from experiments.machine import hosts
from experiments.machine.stopping import Stopped
from experiments.runs.run_directory import CSV, remove_if_empty

if TYPE_CHECKING:
    import pandas as pd

FAILED = "failed.txt"
FILES = ("config.json", "steps.csv", "epochs.csv", FAILED)


class Follower(Protocol):
    """Receives a run's rows during training."""

    def begin(self, steps: "pd.DataFrame", epochs: "pd.DataFrame") -> None:
        """The run starts or resumes, with these rows so far."""

    def add(self, steps: "pd.DataFrame", epochs: "pd.DataFrame") -> None:
        """The rows since the last call: an epoch's steps, and its test."""

    def end(self) -> None:
        """The run is finished or abandoned."""


def directory(path: Path) -> Path:
    """The directory of the growing rows of the run for `path`."""
    return path.with_name(f".{path.name}.live")


class Rows:
    """A follower that writes the rows to `directory(path)`, flushed at each epoch.

    Args:
      path: of the finished run.
      config: the run's.
      say: called with a line if the rows cannot be written; the run continues.
    """

    def __init__(self, path: Path, config: RunConfig, say: Callable[[str], None]):
        self.directory = directory(path)
        self._config = config
        self._say = say
        self._works = True

    def begin(self, steps: "pd.DataFrame", epochs: "pd.DataFrame") -> None:
        def write() -> None:
            delete(self.directory)
            self.directory.mkdir(exist_ok=True)
            config = json.dumps(dataclasses.asdict(self._config), indent=2)
            (self.directory / "config.json").write_text(config + "\n", "utf-8")
            steps.to_csv(self.directory / "steps.csv", **CSV)
            epochs.to_csv(self.directory / "epochs.csv", **CSV)

        self._or_without(write)

    def add(self, steps: "pd.DataFrame", epochs: "pd.DataFrame") -> None:
        def write() -> None:
            for name, frame in (("steps", steps), ("epochs", epochs)):
                text = frame.to_csv(header=False, **CSV)
                with open(self.directory / f"{name}.csv", "ab") as file:
                    file.write(text.encode())

        self._or_without(write)

    def end(self) -> None:
        pass

    def failed(self, error: Exception) -> None:
        """Write down the error that ended the run."""
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]

        def write() -> None:
            self.directory.mkdir(exist_ok=True)
            text = f"{type(error).__name__}: {reason}\n"
            (self.directory / FAILED).write_text(text, "utf-8")

        self._or_without(write)

    def _or_without(self, write: Callable[[], None]) -> None:
        if not self._works:
            return
        try:
            write()
        except OSError as error:
            self._works = False
            self._say(f"cannot write rows to {self.directory}: {error.strerror}")


@contextlib.contextmanager
def growing(
    path: Path,
    config: RunConfig,
    say: Callable[[str], None],
    followers: Sequence[Follower] = (),
) -> Iterator[list[Follower]]:
    """The followers of a run that the block trains; the first writes the run's rows.

    Only the first process has followers. An error that ends the run is written to the
    rows.
    """
    rows = Rows(path, config, say)
    told = [rows, *followers] if hosts.is_first() else []
    try:
        yield told
    except Stopped:
        raise
    except Exception as error:
        rows.failed(error)
        raise
    finally:
        for follower in told:
            follower.end()


def delete(directory: Path) -> None:
    """Delete our files, and the directory if no other files remain."""
    if directory.is_symlink() or not directory.is_dir():
        return
    for name in FILES:
        (directory / name).unlink(missing_ok=True)
    remove_if_empty(directory)
