"""Run directories: what they contain, and reading them.

    RUN/config.json   the RunConfig
    RUN/meta.json     versions, machine, commit, command, start
    RUN/steps.csv     step, epoch, loss, c, scale        one row per training step
    RUN/epochs.csv    epoch, test_accuracy (percent), test_loss, seconds
    RUN/result.json   status, average_last_loss, test_accuracy (percent), collapsed,
                      steps, seconds, params_sha256, digest (of all measurements)
    RUN/weights.npz   the final weights, with --keep-weights

A directory gets its name when it is complete (growing.py). c and scale are empty for an
arm without a landscape.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.config.execution import WEIGHTS as WEIGHTS
from experiments.config.run import RunConfig
from experiments.errors import UserError
from experiments.machine import untrusted
from experiments.runs import checks
from experiments.runs.checks import WINDOW as WINDOW
from experiments.runs.checks import average_last_loss as average_last_loss

if TYPE_CHECKING:
    import pandas as pd

FILES = ("config.json", "meta.json", "steps.csv", "epochs.csv", "result.json")
NAME = r"[\w-]+-s-?\d+-[0-9a-f]{10}"  # of a run directory: RunConfig.run_id
TRIALS = "lr-sweep"  # a directory that is not part of the results around it
STEP_COLUMNS = ("step", "epoch", "loss", "c", "scale")
EPOCH_COLUMNS = ("epoch", "test_accuracy", "test_loss", "seconds")
# For `to_csv`. Nine significant digits preserve a float32 exactly.
CSV: Any = {
    "index": False,
    "float_format": "%.9g",
    "encoding": "utf-8",
    "lineterminator": "\n",
}


@dataclasses.dataclass(frozen=True)
class Run:
    """One finished run, as read from its directory."""

    path: Path
    config: RunConfig
    meta: dict[str, Any]
    result: dict[str, Any]
    steps: "pd.DataFrame"
    epochs: "pd.DataFrame"


def digest_of(
    config: bytes, steps: bytes, epochs: bytes, result: Mapping[str, Any]
) -> str:
    """SHA-256 over config.json, steps.csv, epochs.csv, and result.json's values.

    Args:
      config, steps, epochs: the bytes of these files.
      result: the content of result.json without the digest.
    """
    canonical = json.dumps(result, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(config + steps + epochs + canonical.encode()).hexdigest()


def read_run(path: Path) -> Run:
    """Read a run directory.

    Raises:
      UserError: a file is missing, damaged or not a run's, the files contradict each
        other, or they have changed since they were written; the message says which.
    """
    try:
        return _read(path)
    except (OSError, ValueError, RecursionError, UserError) as error:
        raise UserError(
            f"{path} is not a complete run directory ({error}); "
            "to repeat the run, move the directory away first"
        ) from error


def _read(path: Path) -> Run:
    content = {name: untrusted.read_bytes(path / name) for name in FILES}
    objects = {
        name: untrusted.json_object(name, content[name])
        for name in FILES
        if name.endswith(".json")
    }
    result = objects["result.json"]
    digest = result.pop("digest", None)  # older runs have no digest
    config = RunConfig.from_dict(objects["config.json"])
    name = path.absolute().name
    if re.search(r"-[0-9a-f]{10}$", name) and name != config.run_id:
        raise ValueError(f"its config.json belongs to {config.run_id}")
    steps = untrusted.numbers("steps.csv", content["steps.csv"], STEP_COLUMNS)
    epochs = untrusted.numbers("epochs.csv", content["epochs.csv"], EPOCH_COLUMNS)
    checks.measured(config, result, steps, epochs)
    if digest is not None and digest != digest_of(
        content["config.json"], content["steps.csv"], content["epochs.csv"], result
    ):
        raise ValueError("its files were changed since they were written")
    return Run(
        path=path,
        config=config,
        meta=checks.meta(objects["meta.json"]),
        result=result,
        steps=steps.astype({"step": int, "epoch": int}),
        epochs=epochs.astype({"epoch": int}),
    )


def read_weights(path: Path) -> dict[str, Any]:
    """The final weights that a run kept: params and batch_stats."""
    from flax.traverse_util import unflatten_dict

    try:
        flat = untrusted.arrays(path / WEIGHTS)
        if not all(name.startswith(("params/", "batch_stats/")) for name in flat):
            raise ValueError("weights.npz has arrays that are not a network's")
        return {"params": {}, "batch_stats": {}} | unflatten_dict(flat, sep="/")
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} has no weights to start from ({error}): run it with --keep-weights"
        ) from error


def is_run(path: Path) -> bool:
    """Whether there is a finished run at path."""
    return (path / "result.json").is_file()


def find_runs(roots: Iterable[Path]) -> list[Run]:
    """Every finished run at or below the given directories, sorted by path.

    Hidden directories and the trials of a search for learning rates are not entered,
    and links are not followed. Unreadable directories are named on stderr and skipped.
    A run and its copies count once.
    """
    paths = set()
    for root in roots:
        paths |= set(untrusted.directories_with("result.json", root, skip=(TRIALS,)))
    runs = []
    for path in sorted(paths):
        try:
            runs.append(read_run(path))
        except UserError as error:
            untrusted.leave_out(str(error))
    return distinct(runs)


def find_some_runs(roots: Sequence[Path]) -> list[Run]:
    """Like `find_runs`, but finding none is an error."""
    runs = find_runs(roots)
    if not runs:
        raise UserError(
            f"there is no finished run under {', '.join(map(str, roots))}: `list` "
            "shows what is there, and --resume finishes it"
        )
    return runs


# The fields in which two runs of one identity and one result agree.
_SAME = (
    "status",
    "average_last_loss",
    "test_accuracy",
    "collapsed",
    "steps",
    "params_sha256",
)


def distinct(runs: Iterable[Run]) -> list[Run]:
    """The runs without duplicates; the first of each is kept.

    Raises:
      UserError: two runs of one configuration have different results.
    """
    kept: dict[str, Run] = {}
    for run in runs:
        first = kept.setdefault(run.config.run_id, run)
        pairs = [(first.result.get(name), run.result.get(name)) for name in _SAME]
        if not all(a == b or (a != a and b != b) for a, b in pairs):  # NaN equals NaN
            raise UserError(
                f"{first.path} and {run.path} are runs of one configuration with "
                "different results: pass only the one that counts"
            )
    return list(kept.values())


def rows(runs: Iterable[Run]) -> "pd.DataFrame":
    """One row per run: its configuration, then its result."""
    import pandas as pd

    return pd.DataFrame(
        [
            dataclasses.asdict(run.config) | run.result | {"run": run.path.name}
            for run in runs
        ]
    )
