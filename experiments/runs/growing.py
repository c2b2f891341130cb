"""The rows of a run that is not finished, for curves that grow with it.

    .RUN_ID.live/config.json  as of the run directory
    .RUN_ID.live/steps.csv    likewise, up to the last epoch
    .RUN_ID.live/epochs.csv
    .RUN_ID.live/failed.txt   the error that ended the run, where one did

Nothing is resumed from them. A run that resumes replaces them by the rows of its
checkpoint, and its run directory is made from what it has measured itself. So a kill at
any moment can leave rows here that are ahead of the checkpoint, and changes no result.
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
    """Told of a run's rows while it is being trained."""

    def begin(self, steps: "pd.DataFrame", epochs: "pd.DataFrame") -> None:
        """The run starts, or resumes with these rows."""

    def add(self, steps: "pd.DataFrame", epochs: "pd.DataFrame") -> None:
        """The rows since the last call: those of an epoch, and its test."""

    def end(self) -> None:
        """The run is finished, or left."""


def directory(path: Path) -> Path:
    """Where the rows of the run that will lie at `path` grow."""
    return path.with_name(f".{path.name}.live")


class Rows:
    """A follower that writes the rows to `directory(path)`, flushed at each epoch.

    Args:
      path: of the finished run.
      config: the run's.
      say: called with a line where they cannot be written; the run goes on without.
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
        """Say what ended the run."""
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
    """The followers of the block that trains a run, one that writes its rows first.

    Only the first process has any. An error that ends the run is written to the rows.
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
    """Delete the files of such a directory; others, and then the directory, stay."""
    if directory.is_symlink() or not directory.is_dir():
        return
    for name in FILES:
        (directory / name).unlink(missing_ok=True)
    remove_if_empty(directory)
