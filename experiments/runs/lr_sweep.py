"""A learning rate for each arm, chosen on held-out training images."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from experiments.config.execution import Execution
from experiments.config.run import RunConfig
from experiments.data import loading
from experiments.errors import UserError
from experiments.machine.files import replacing
from experiments.machine.log import say
from experiments.runs import plan, sweep
from experiments.runs.run_directory import TRIALS, rows

HELD_OUT = 0.1  # of the training images


def tune(
    configs: Sequence[RunConfig],
    rates: Sequence[float],
    out: Path,
    execution: Execution,
) -> list[RunConfig]:
    """Give each configuration the best of `rates` for its network, optimizer and arm.

    Trains every configuration at every rate on nine tenths of the training images, and
    chooses the rate with the highest mean accuracy over the seeds on the last tenth.
    The arms that replay LM's scales use LM's rate. The trials go to OUT/lr-sweep, their
    means to OUT/lr-sweep/rates.csv.

    Returns:
      The configurations with their rates; none while other shards' trials are missing.
    """
    trials = trials_of(configs, rates)
    finished = sweep.run_all(trials, out / TRIALS, execution, within=out)
    if len(finished) < len(set(trials)):
        say(f"{out}: learning rates will be chosen when all trials are finished")
        return []
    keys = ["dataset", "model", "optimizer", "arm"]
    means = rows(finished).groupby([*keys, "learning_rate"], sort=False)
    table = means["test_accuracy"].agg(["mean", "std", "count"]).reset_index()
    table["chosen"] = table.groupby(keys)["mean"].transform("max") == table["mean"]
    try:
        with replacing(out / TRIALS / "rates.csv") as part:
            table.to_csv(part, index=False, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"cannot write the learning rates to {out / TRIALS} ({error}); the trials "
            "are kept: make room there, then --resume continues"
        ) from error
    chosen = table[table["chosen"]].drop_duplicates(keys).set_index(keys)
    for name, row in chosen.iterrows():
        say(f"{' '.join(name)}: learning rate {row['learning_rate']:g}")

    def rate(config: RunConfig) -> float:
        arm = plan.replayed(config).arm if plan.replays(config) else config.arm
        key = (config.dataset, config.model, config.optimizer, arm)
        return float(chosen.loc[key, "learning_rate"])

    return [dataclasses.replace(c, learning_rate=rate(c)) for c in configs]


def trials_of(configs: Sequence[RunConfig], rates: Sequence[float]) -> list[RunConfig]:
    """Every configuration at every rate, tested on held-out training images."""
    plan.check_replays(configs, None)
    return [
        dataclasses.replace(
            config,
            learning_rate=rate,
            validation=round(
                HELD_OUT * loading.train_size(config.dataset, config.limit_train)
            ),
        )
        for config in configs
        if not plan.replays(config)
        for rate in rates
    ]
