"""What test modules share: a configuration, made-up runs, a small command line."""

import dataclasses
import shutil

import numpy as np
import pandas as pd

from experiments.config.run import RunConfig
from experiments.machine.progress import Progress
from experiments.machine.stopping import Stop
from experiments.runs import growing
from experiments.runs.run_directory import Run

CONFIG = RunConfig(
    dataset="digits",
    model="simple_cnn",
    optimizer="sgd",
    arm="lm",
    seed=0,
    epochs=2,
    learning_rate=0.01,
)
# A short run, which tests stop, kill and damage.
SHORT = dataclasses.replace(CONFIG, limit_train=50, epochs=3, batch_size=8)
SHORT_EPOCH = 7  # steps
VGG = {"dataset": "cifar10", "model": "vgg16"}
PAIRS = {("base", 0): 10.0, ("lm", 0): 88.0, ("base", 10): 86.0, ("lm", 10): 87.0}


class Quiet(Progress):
    """Progress that keeps its lines, but for what the bar shows."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def begin(self, label, steps, unit="steps"):
        pass

    def line(self, text):
        self.lines.append(text)


def small(*argv):
    """A command line that trains for two steps."""
    return [*argv, "--limit-train", "64", "--epochs", "1", "--batch-size", "32"]


def few_images(train, test=40):
    """The first digits, enough for what does not depend on how many they are."""
    from experiments.data import loading
    from experiments.train.trainer import DeviceData

    data = DeviceData.put(loading.load("digits", limit_train=train))
    return data._replace(test=type(data.test)(*(part[:test] for part in data.test)))


def train_short(trainer, path, stop=None, **options):
    """Train the run SHORT, with a checkpoint after each epoch by default."""
    from experiments.runs import single

    single.run(
        SHORT,
        trainer,
        path,
        stop=stop or Stop(),
        **{"progress": Quiet(), "checkpoint_minutes": 0.0} | options,
    )


def make_run(path, arm, seed, accuracy, steps=45, epochs=2, optimizer="sgd"):
    config = dataclasses.replace(CONFIG, arm=arm, seed=seed, optimizer=optimizer)
    step = np.arange(1, steps * epochs + 1)
    loss = 2.0 / step + seed / 1000
    has_c = arm != "base"
    return Run(
        path=path / f"{optimizer}-{arm}-{seed}",
        config=config,
        meta={},
        result={
            "status": "finished",
            # Of 45 steps in the last epoch, the 21st to the 40th.
            "average_last_loss": float(loss[-steps:][20:40].mean()),
            "test_accuracy": accuracy,
            "collapsed": accuracy <= 14,
        },
        steps=pd.DataFrame(
            {
                "step": step,
                "epoch": (step - 1) // steps + 1,
                "loss": loss,
                "c": loss if has_c else np.nan,
                "scale": 1.0 if has_c else np.nan,
            }
        ),
        epochs=pd.DataFrame(
            {
                "epoch": np.arange(1, epochs + 1),
                "test_accuracy": np.linspace(50, accuracy, epochs),
                "test_loss": 1.0,
                "seconds": 1.0,
            }
        ),
    )


def write_run(path, config, meta, result, steps, epochs):
    """A run directory with these rows, in the place of another one."""
    shutil.rmtree(path, ignore_errors=True)
    rows = growing.Rows(path, config)
    rows.begin()
    rows.add("steps", steps)
    rows.add("epochs", epochs)
    rows.finish(meta, result)


def written(path, accuracy, digest="abc", **changes):
    """Run directories with these accuracies by (arm, seed)."""
    for (arm, seed), value in accuracy.items():
        run = make_run(
            path, arm, seed, value, optimizer=changes.get("optimizer", "sgd")
        )
        config = dataclasses.replace(run.config, **changes)
        meta = {
            "command": "python -m experiments table 3.8 --out /home/me/runs",
            "commit": "abc",
            "versions": {"jax": "0.10.2"},
            "machine": {"cpu": "abacus", "cores": 2},
        }
        result = run.result | {
            "steps": len(run.steps), "seconds": 1.0, "params_sha256": digest,
        }  # fmt: skip
        write_run(path / config.run_id, config, meta, result, run.steps, run.epochs)


def tree(root):
    """All paths below a directory, with what the files contain."""
    return {path: path.is_file() and path.read_bytes() for path in root.rglob("*")}


def compare(whole: list[Run], killed: list[Run]) -> None:
    assert [run.path.name for run in whole] == [run.path.name for run in killed]
    for one, other in zip(whole, killed, strict=True):
        rows = [(run.path / "steps.csv").read_bytes() for run in (one, other)]
        assert rows[0] == rows[1], one.path.name
        for name in ("step", "epoch", "loss", "c", "scale"):
            np.testing.assert_array_equal(one.steps[name], other.steps[name])
        for name in ("test_accuracy", "test_loss"):
            np.testing.assert_array_equal(one.epochs[name], other.epochs[name])
        for name in ("params_sha256", "average_last_loss", "steps", "status"):
            assert one.result[name] == other.result[name], (one.path.name, name)
