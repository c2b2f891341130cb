"""Which runs belong in one table, and which in one row of it.

A table's runs agree in every field of their configurations except the seed and what
distinguishes its rows: the optimizer, the arm, and a row's settings.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from experiments.config.arms import ARMS, PARAMETERS, ArmName
from experiments.config.optimizers import OPTIMIZERS
from experiments.config.run import RUNNING_MIN, RunConfig
from experiments.errors import UserError
from experiments.runs.run_directory import Run

# A row's settings: those of the optimizer, and those that its arm reads.
RATE = "learning_rate"
_OPTIMIZER = (RATE, "momentum", "weight_decay")
_ROW = {"optimizer", "arm", "seed", *_OPTIMIZER, *PARAMETERS}
TABLE = [f.name for f in dataclasses.fields(RunConfig) if f.name not in _ROW]
_WORDS = {
    RATE: "lr",
    "weight_decay": "weight decay",
    "eps": "ε",
    "clip_norm": "clip norm",
    "warmup_steps": "warm-up steps",
    "step_cap": "step cap",
}


class Row(NamedTuple):
    """What the runs of a row share."""

    optimizer: str  # "sgd-swa" with weight averaging
    arm: ArmName
    settings: tuple[tuple[str, Any], ...]  # (field, value)

    def of_optimizer(self, *names: str) -> dict[str, Any]:
        """The settings that the plain optimizer also has, or some of them."""
        return {k: v for k, v in self.settings if k in (names or _OPTIMIZER)}


def grouped(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs of each table, in a table's order of seeds and arms."""
    arms = list(ARMS)
    groups: dict[tuple, list[Run]] = {}
    for run in sorted(runs, key=lambda r: (r.config.seed, arms.index(r.config.arm))):
        groups.setdefault(_table(run.config), []).append(run)
    return [groups[key] for key in sorted(groups, key=str)]


def _table(config: RunConfig) -> tuple[Any, ...]:
    return tuple(getattr(config, name) for name in TABLE)


def differences(runs: Iterable[Run]) -> list[str]:
    """The fields in which runs differ that keep them from sharing a table."""
    tables = {_table(run.config) for run in runs}
    return [name for name, values in zip(TABLE, zip(*tables)) if len(set(values)) > 1]


def by_row(runs: Iterable[Run]) -> dict[Row, list[Run]]:
    """A table's runs by row: optimizers in order, then in order of appearance.

    Raises:
      UserError: two runs of a row have the same seed.
    """
    rows: dict[Row, list[Run]] = {}
    for run in runs:
        rows.setdefault(row(run.config), []).append(run)
    for of_row in rows.values():
        seeds: dict[int, Run] = {}
        for run in of_row:
            other = seeds.setdefault(run.config.seed, run)
            if other is not run:
                raise UserError(
                    f"{other.path} and {run.path} have the same optimizer, arm, "
                    f"settings and seed {run.config.seed}: a table can show only one"
                )
    arms = list(dict.fromkeys(row.arm for row in rows))
    optimizers = list(OPTIMIZERS)
    return dict(
        sorted(
            rows.items(),
            key=lambda item: (
                optimizers.index(_plain(item[0].optimizer)),
                item[0].optimizer,
                arms.index(item[0].arm),
            ),
        )
    )


def row(config: RunConfig) -> Row:
    optimizer = config.optimizer + ("" if config.swa_start is None else "-swa")
    names = (*_OPTIMIZER, *ARMS[config.arm].parameters)
    settings = {name: getattr(config, name) for name in names}
    # One setting in two fields: c is a constant, or the threshold sets it.
    threshold = settings.pop("threshold", None)
    if threshold is not None and settings["c"] is None:
        settings["c"] = threshold
    return Row(optimizer, config.arm, tuple(settings.items()))


def _plain(optimizer: str) -> Any:
    return optimizer.removesuffix("-swa")


def settings(row: Row) -> str:
    """A row's settings in words; momentum and weight decay only if not 0."""
    quiet = ("momentum", "weight_decay")
    return _in_words((k, v) for k, v in row.settings if v or k not in quiet)


def apart(rows: Iterable[Row]) -> dict[Row, str]:
    """What distinguishes each row from others of its optimizer and arm; "" if none."""
    alike: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        alike.setdefault((row.optimizer, row.arm), []).append(row)
    words = {}
    for group in alike.values():
        constant = set(group[0].settings).intersection(*(r.settings for r in group))
        for row in group:
            words[row] = _in_words(s for s in row.settings if s not in constant)
    return words


def _in_words(settings: Iterable[tuple[str, Any]]) -> str:
    return ", ".join(f"{_WORDS.get(k, k)} {_value(k, v)}" for k, v in settings)


def _value(name: str, value: Any) -> str:
    if name == "c" and value == RUNNING_MIN:
        return "running minimum"
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if isinstance(value, str) or float(short) == value else repr(value)
