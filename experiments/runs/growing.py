"""The rows of a run: they grow with it, and in the end they become its run directory.

    .RUN_ID.live/config.json  as in the run directory
    .RUN_ID.live/steps.csv    likewise, appended to after each epoch
    .RUN_ID.live/epochs.csv
    .RUN_ID.live/failed.txt   the error that ended the run, if one did

A checkpoint counts the rows that belong to it. A kill may leave more rows than that, or
half of one; a run that resumes cuts them off. When the run is finished, the missing
files of a run directory are written here, and the directory gets its name.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from experiments.config.run import RunConfig
from experiments.errors import UserError
from experiments.machine import hosts, untrusted
from experiments.machine.files import flush_tree
from experiments.machine.stopping import Stopped
from experiments.runs.run_directory import (
    CSV,
    EPOCH_COLUMNS,
    FILES,
    STEP_COLUMNS,
    WEIGHTS,
    delete_run,
    digest_of,
    remove_if_empty,
)

if TYPE_CHECKING:
    import pandas as pd

FAILED = "failed.txt"
COLUMNS = {"steps": STEP_COLUMNS, "epochs": EPOCH_COLUMNS}
TYPES = {
    "steps": {"step": int, "epoch": int}
    | dict.fromkeys(("loss", "c", "scale"), np.float32),
    "epochs": {"epoch": int},
}


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
    """A run's rows, in memory and in `directory(path)`, which the first process writes.

    Args:
      path: of the finished run.
      config: the run's.

    Raises:
      UserError: from any method that writes, if it cannot.
    """

    def __init__(self, path: Path, config: RunConfig):
        self._path, self._directory = path, directory(path)
        self._config = config
        self._frames: dict[str, list[pd.DataFrame]] = {name: [] for name in COLUMNS}
        self._resumed: Mapping[str, Any] | None = None

    def resume(self, counted: Mapping[str, Any]) -> None:
        """Take up the rows that a checkpoint has counted.

        Raises:
          OSError, ValueError: they have changed or are missing.
        """
        content = {
            name: untrusted.read_bytes(self._file(name))[: counted["bytes"][name]]
            for name in COLUMNS
        }
        if _digest(content) != counted["sha256"]:
            raise ValueError(f"the rows in {self._directory} have changed")
        for name, columns in COLUMNS.items():
            frame = untrusted.numbers(f"{name}.csv", content[name], columns)
            self._frames[name] = [frame.astype(TYPES[name])]
        self._resumed = counted

    def begin(self) -> None:
        """Create the directory, or cut off the rows that no checkpoint has counted."""
        if not hosts.is_first():
            return
        with self._writing():
            if self._resumed is None:
                delete(self._directory)
                self._directory.mkdir(parents=True, exist_ok=True)
                for name in COLUMNS:
                    self.frame(name).to_csv(self._file(name), **CSV)
            else:
                for name in COLUMNS:
                    os.truncate(self._file(name), self._resumed["bytes"][name])
                for name in (FAILED, "meta.json", "result.json", WEIGHTS):
                    (self._directory / name).unlink(missing_ok=True)
            config = dataclasses.asdict(self._config)
            _write_json(self._directory / "config.json", config)

    def add(self, name: Literal["steps", "epochs"], frame: "pd.DataFrame") -> None:
        """Append rows of this file."""
        self._frames[name].append(frame)
        if not hosts.is_first():
            return
        with self._writing(), open(self._file(name), "ab") as file:
            file.write(frame.to_csv(header=False, **CSV).encode())

    def frame(self, name: str) -> "pd.DataFrame":
        """All rows of this file."""
        import pandas as pd

        if not self._frames[name]:
            return pd.DataFrame(columns=[*COLUMNS[name]])
        return pd.concat(self._frames[name], ignore_index=True)

    def counted(self) -> dict[str, Any]:
        """What a checkpoint says of the rows that are written, for `resume`."""
        content = {}
        with self._writing():
            for name in COLUMNS:
                with open(self._file(name), "rb") as file:
                    os.fsync(file.fileno())
                    content[name] = file.read()
        size = {name: len(text) for name, text in content.items()}
        return {"bytes": size, "sha256": _digest(content)}

    def finish(
        self,
        meta: Mapping[str, Any],
        result: Mapping[str, Any],
        weights: Mapping[str, Any] | None = None,
    ) -> None:
        """Complete the run directory, and let it replace an existing one."""
        with self._writing():
            _write_json(self._directory / "meta.json", meta)
            if weights is not None:
                from flax.traverse_util import flatten_dict

                np.savez(self._directory / WEIGHTS, **flatten_dict(weights, sep="/"))
            config, steps, epochs = (
                (self._directory / name).read_bytes()
                for name in ("config.json", "steps.csv", "epochs.csv")
            )
            digest = digest_of(config, steps, epochs, result)
            _write_json(self._directory / "result.json", {**result, "digest": digest})
            flush_tree(self._directory)
            if self._path.exists():
                delete_run(self._path)
            os.replace(self._directory, self._path)

    def failed(self, error: Exception) -> None:
        """Write down the error that ended the run, if that is possible."""
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if hosts.is_first():
            with contextlib.suppress(OSError):
                text = f"{type(error).__name__}: {reason}\n"
                (self._directory / FAILED).write_text(text, "utf-8")

    def _file(self, name: str) -> Path:
        return self._directory / f"{name}.csv"

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"cannot write the run directory {self._path} ({error}); make room "
                "there, then --resume continues from its last checkpoint"
            ) from error


@contextlib.contextmanager
def telling(
    rows: Rows, followers: Sequence[Follower] = ()
) -> Iterator[Sequence[Follower]]:
    """The followers of a run that the block trains; only the first process has any.

    An error that ends the run is written to its rows.
    """
    told = followers if hosts.is_first() else ()
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
    for name in (*FILES, WEIGHTS, FAILED):
        (directory / name).unlink(missing_ok=True)
    remove_if_empty(directory)


def _digest(content: Mapping[str, bytes]) -> str:
    return hashlib.sha256(b"".join(content[name] for name in COLUMNS)).hexdigest()


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
