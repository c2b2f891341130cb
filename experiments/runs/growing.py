"""The rows of a run: they grow with it, and in the end they become its run directory.

    .RUN_ID.live/config.json  as in the run directory
    .RUN_ID.live/steps.csv    likewise, appended to after each epoch
    .RUN_ID.live/epochs.csv

A checkpoint counts the rows that belong to it. A kill may leave more rows than that, or
half of one; a run that resumes cuts them off. When the run is finished, the missing
files of a run directory are written here, and the directory gets its name.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from experiments.config.run import RunConfig
from experiments.errors import UserError
from experiments.machine import hosts, untrusted
from experiments.machine.files import flush_tree
from experiments.runs.run_directory import (
    CSV,
    EPOCH_COLUMNS,
    STEP_COLUMNS,
    WEIGHTS,
    digest_of,
)

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {"steps": STEP_COLUMNS, "epochs": EPOCH_COLUMNS}
TYPES = {
    "steps": {"step": int, "epoch": int}
    | dict.fromkeys(("loss", "c", "scale"), np.float32),
    "epochs": {"epoch": int},
}


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
        self.epoch_seconds = 0.0  # spent before, on the epoch at which it resumes

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
        frames = {
            name: untrusted.numbers(f"{name}.csv", content[name], columns)
            for name, columns in COLUMNS.items()
        }
        self.epoch_seconds = float(counted["epoch_seconds"])
        self._frames = {n: [frames[n].astype(TYPES[n])] for n in COLUMNS}
        self._resumed = counted

    def begin(self) -> None:
        """Create the directory, or cut off the rows that no checkpoint has counted."""
        if not hosts.is_first():
            return
        with self._writing():
            if self._resumed is None:
                shutil.rmtree(self._directory, ignore_errors=True)
                self._directory.mkdir(parents=True)
                for name in COLUMNS:
                    self.frame(name).to_csv(self._file(name), **CSV)
            else:
                for name in COLUMNS:
                    os.truncate(self._file(name), self._resumed["bytes"][name])
                for name in ("meta.json", "result.json", WEIGHTS):
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
        """Complete the run directory, and give it its name."""
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
            os.replace(self._directory, self._path)

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


def _digest(content: Mapping[str, bytes]) -> str:
    return hashlib.sha256(b"".join(content[name] for name in COLUMNS)).hexdigest()


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
