"""Training compiled for oneDNN, where this machine and jaxlib have it."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

import models
from experiments.commands.cli import main
from experiments.data import loading
from experiments.train.problem import make_problem
from experiments.train.trainer import DeviceData, Keys, Trainer
from tests.helpers import CONFIG, small

needs_onednn = pytest.mark.skipif(
    not models.compiler_options(), reason="oneDNN comes with jaxlib 0.12, for x86 CPUs"
)


@needs_onednn
@pytest.mark.parametrize("parallel", ["none", "sharded"])
@pytest.mark.parametrize("model", ["simple_cnn", "preresnet11"])
def test_the_trajectory_is_that_of_plain_xla(model, parallel):
    device_data = DeviceData.put(loading.load("digits", limit_train=660))
    config = dataclasses.replace(CONFIG, model=model, momentum=0.0, learning_rate=1e-3)
    problem = make_problem(config, 21)
    keys = Keys.of(0)

    def one_epoch(**options):
        trainer = Trainer(problem, device_data, 32, **options)
        return trainer.run_epoch(trainer.init(keys), keys, 1)

    _, expected = one_epoch()
    _, got = one_epoch(parallel=parallel, onednn=True)
    np.testing.assert_allclose(got.loss, expected.loss, rtol=1e-5)
    np.testing.assert_allclose(got.c, expected.c, rtol=1e-5)


@needs_onednn
def test_a_run_says_nothing_of_what_cannot_be_kept(tmp_path):
    argv = [sys.executable, "-m", "experiments", *small("train", "--onednn")]
    ran = subprocess.run(
        [*argv, "--out", str(tmp_path / "out")], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert "compilation cache" not in ran.stderr


def test_where_it_cannot_be_had_one_is_told(tmp_path, capsys, monkeypatch):
    argv = small("train", "--onednn", "--out", str(tmp_path / "out"))
    assert main([*argv, "--parallel", "pmap"]) == 2
    assert "--parallel none or sharded" in capsys.readouterr().err
    monkeypatch.setattr(models, "compiler_options", dict)
    assert main(argv) == 2
    assert "has no oneDNN" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_pmap_takes_no_compiler_options():
    with pytest.raises(ValueError, match="use parallel='sharded'"):
        Trainer(None, None, 32, parallel="pmap", onednn=True)
