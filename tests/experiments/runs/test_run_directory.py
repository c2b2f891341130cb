"""Run directories: exact round trips, and refusal of damaged ones."""

import dataclasses
import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from experiments.errors import UserError
from experiments.runs import run_directory
from tests.helpers import CONFIG, write_run


def write(path, losses, c=np.nan, seed=0):
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
    config = dataclasses.replace(CONFIG, epochs=1, seed=seed)
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


def test_a_written_run_replaces_the_one_that_is_there(tmp_path):
    write(tmp_path / "run", [1.0])
    run = run_directory.read_run(write(tmp_path / "run", [2.0, 3.0]))
    assert len(run.steps) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_was_measured_has_a_digest(tmp_path):
    path = write(tmp_path / "run", [1.0, 2.0])
    result = json.loads((path / "result.json").read_text())
    digest = result.pop("digest")
    measured = hashlib.sha256()
    for name in ("config.json", "steps.csv", "epochs.csv"):
        measured.update((path / name).read_bytes())
    values = json.dumps(result, sort_keys=True, separators=(",", ":"))
    measured.update(values.encode())
    assert digest == measured.hexdigest()
    assert run_directory.read_run(path).result == result


def test_a_written_run_deletes_no_file_of_others(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("precious")
    with pytest.raises(UserError, match="cannot write the run directory"):
        write(tmp_path / "run", [1.0])
    assert (tmp_path / "run" / "notes.txt").read_text() == "precious"
    assert {path.name for path in tmp_path.iterdir()} == {"run", ".run.live"}


def test_the_last_window_of_391_steps_is_361_to_380():
    losses = np.zeros(391)
    losses[360:380] = 7
    losses[380:] = 100
    assert run_directory.average_last_loss(losses) == 7


def test_a_short_epoch_is_averaged_whole():
    assert run_directory.average_last_loss(np.array([1.0, 2.0, 6.0])) == 3
    assert run_directory.average_last_loss(np.arange(20.0)) == 9.5


@pytest.mark.parametrize(
    "file", ["config.json", "meta.json", "steps.csv", "epochs.csv"]
)
def test_a_damaged_run_is_named(tmp_path, file):
    path = write(tmp_path / "run", [1.0])
    (path / file).unlink()
    with pytest.raises(UserError, match=f"{path} is not a complete run"):
        run_directory.read_run(path)


def test_a_truncated_steps_file_is_named(tmp_path):
    path = write(tmp_path / "run", np.ones(50))
    result = json.loads((path / "result.json").read_text())
    result.pop("digest", None)
    (path / "result.json").write_text(json.dumps(result | {"steps": 50}))
    content = (path / "steps.csv").read_text()
    (path / "steps.csv").write_text(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"steps\.csv"):
        run_directory.read_run(path)


def test_find_runs_sees_finished_runs_only(tmp_path):
    write(tmp_path / "a" / "one", [1.0])
    write(tmp_path / "b" / "two", [1.0], seed=1)
    (tmp_path / "b" / ".three.part").mkdir()
    (tmp_path / "b" / ".three.part" / "result.json").write_text("{}")
    found = run_directory.find_runs([tmp_path])
    assert [run.path.name for run in found] == ["one", "two"]
    with pytest.raises(UserError, match="nowhere"):
        run_directory.find_runs([tmp_path / "nowhere"])
