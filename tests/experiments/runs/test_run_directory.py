"""Run directories: exact round trips, and refusal of damaged ones."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from experiments.config import spelled
from experiments.errors import UserError
from experiments.runs import run_directory
from tests.helpers import CONFIG, write_run


def write(path, losses, c=np.nan, **changes):
    steps = pd.DataFrame(
        {
            "step": np.arange(1, len(losses) + 1),
            "epoch": 1,
            "loss": np.asarray(losses, np.float32),
            "c": np.float32(c),
            "scale": np.float32(c),
        }
    )
    epochs = pd.DataFrame(
        {"epoch": [1], "test_accuracy": [50.0], "test_loss": [1.0], "seconds": [2.0]}
    )
    config = dataclasses.replace(CONFIG, epochs=1, **changes)
    result = {
        "status": "finished",
        "average_last_loss": run_directory.average_last_loss(steps["loss"].to_numpy()),
        "test_accuracy": 50.0,
        "collapsed": False,
    }
    write_run(path, config, {"commit": None}, result, steps, epochs)
    return path


def test_float32_metrics_come_back_bit_for_bit(tmp_path):
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 0x7F800000, 2000, np.uint32)  # every finite magnitude
    losses = bits.view(np.float32)
    run = run_directory.read_run(write(tmp_path / "run", losses))
    np.testing.assert_array_equal(run.steps["loss"].astype(np.float32), losses)
    assert run.steps["c"].isna().all()
    assert run.config == dataclasses.replace(CONFIG, epochs=1)


def test_the_last_window_of_391_steps_is_361_to_380():
    losses = np.zeros(391)
    losses[360:380] = 7
    losses[380:] = 100
    assert run_directory.average_last_loss(losses) == 7


def test_a_short_epoch_is_averaged_whole():
    assert run_directory.average_last_loss(np.array([1.0, 2.0, 6.0])) == 3
    assert run_directory.average_last_loss(np.arange(20.0)) == 9.5


def test_find_runs_sees_finished_runs_only(tmp_path):
    write(tmp_path / "a" / "one", [1.0])
    write(tmp_path / "b" / "two", [1.0], seed=1)
    (tmp_path / "b" / ".three.part").mkdir()
    (tmp_path / "b" / ".three.part" / "result.json").write_text("{}")
    runs = run_directory.find_runs([tmp_path])
    assert [run.path.name for run in runs] == ["one", "two"]
    with pytest.raises(UserError, match="nowhere"):
        run_directory.find_runs([tmp_path / "nowhere"])


def test_a_run_with_a_shape_of_several_arguments_can_be_read(tmp_path):
    f = spelled.canonical("--f", "bounded(2, 0.5)", spelled.shapes())
    path = write(tmp_path / "run", [1.0], f=f)
    assert run_directory.read_run(path).config.f == "bounded(bound=2, width=0.5)"
