"""The command line from outside: help, wrong names, errors without tracebacks."""

import importlib
import itertools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import jax
import pytest

import landmod_jax
from experiments.commands import parsing, report, train
from experiments.commands.cli import COMMANDS, main
from experiments.config import networks, spelled
from experiments.config.arms import ARMS
from experiments.config.optimizers import OPTIMIZERS
from experiments.config.options import Protocol, show_remarks
from experiments.data.datasets import DATASETS


def test_help_lists_every_command_without_importing_jax():
    code = (
        "import sys; from experiments.commands import cli; "
        "status = cli.main(['--help']); "
        "assert status == 0; assert 'jax' not in sys.modules"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    for name in COMMANDS:
        assert f"\n  {name} " in shown


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        main([command, "--help"])
    assert exit_.value.code == 0
    assert f"python -m experiments {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", list(COMMANDS))
def test_the_example_is_a_command(command):
    config_class = importlib.import_module(COMMANDS[command][0]).Config
    words = shlex.split(config_class.example)
    assert words[:4] == ["python", "-m", "experiments", command]
    config = parsing.parse(config_class, words[4:], command)
    if hasattr(config, "check"):
        config.check()


@pytest.fixture
def help_of(capsys):
    """The help text of a command, on one line without borders."""

    def text(command):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        return " ".join(re.sub("[─-╿]", " ", capsys.readouterr().out).split())

    return text


def test_help_has_every_name_that_an_option_takes(help_of):
    shown = help_of("compare")
    names = (spelled.shapes(), spelled.thresholds(), ARMS, DATASETS, OPTIMIZERS)
    for name in itertools.chain(*names):
        assert re.search(rf"\b{name}\b", shown), name


def test_the_defaults_in_help_are_what_a_run_gets(help_of):
    shown = help_of("train")
    for model in ("simple_cnn", "nn2", "preresnet110", "vgg16"):
        recipe = networks.hyperparameters(model, "sgd")
        family = model.rstrip("0123456789") if model != "nn2" else model
        assert f"{family} {recipe.epochs}" in shown
        assert re.search(rf"{recipe.learning_rate:g} for [\w ]*{family}", shown)
    for name in ("adam", "adagrad", "rmsprop"):
        rate = networks.hyperparameters("vgg16", name).learning_rate
        assert re.search(rf"{OPTIMIZERS[name].label}[\w ]* {rate:g}\b", shown)
    epochs = [
        networks.swa_hyperparameters(model, None).epochs
        for model in ("preresnet110", "vgg16")
    ]
    assert f"table C.1 {epochs[0]} and {epochs[1]}" in shown
    assert {name: of.batch_size for name, of in DATASETS.items()} == {
        "digits": 32, "cifar10": 128, "cifar100": 128,
    }  # fmt: skip
    assert "32 for digits, otherwise 128" in shown
    assert OPTIMIZERS["sgd"].momentum == 0.9
    assert "0.9 for SGD, otherwise 0" in shown


def test_help_begins_with_a_command_s_own_options_and_shows_no_placeholder(help_of):
    shown = help_of("compare")
    order = ["--dataset", "--arms", "--epochs", "--out"]
    assert sorted(order, key=shown.rindex) == order
    assert "(default: none, and --learning-rate applies)" in shown
    assert "(default: base lm)" in shown
    assert "augmentation and dropout. (default: 0)" in help_of("train")
    for placeholder in ("None", "default: False", "default: )"):
        assert placeholder not in shown
    assert "--no-augment" in shown
    assert "--no-resume" in shown  # undoes an earlier --resume


def test_the_versions_are_those_that_run(capsys):
    assert main(["--version"]) == 0
    shown = dict(line.split(" ", 1) for line in capsys.readouterr().out.splitlines())
    assert shown["landmod_jax"] == landmod_jax.__version__
    assert shown["jax"] == jax.__version__


def test_a_wrong_command_is_answered_with_the_nearest(capsys):
    assert main(["comparee"]) == 2
    assert "Did you mean 'compare'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "package"), [(["train"], "tyro"), (["table", "digits"], "flax")]
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    argv, package, tmp_path
):
    code = (
        "import runpy, sys\n"
        f"sys.modules[{package!r}] = None\n"
        f"sys.argv = {['experiments', *argv]!r}\n"
        "runpy.run_module('experiments', run_name='__main__', alter_sys=True)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        cwd=tmp_path,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr == (
        f"error: {package} is not installed: run pip install '.[experiments]' in the "
        "checkout\n"
    )


def test_every_path_option_expands_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = parsing.parse(train.Config, ["--out=~/x", "--data-dir", "~"], "train")
    assert (config.out, config.data_dir) == (tmp_path / "x", tmp_path)
    config = parsing.parse(report.Config, ["~/a", "b", "--out", "~"], "report")
    assert config.runs == (tmp_path / "a", Path("b"))
    assert config.out == tmp_path


def test_a_warm_up_longer_than_the_run_is_remarked(capsys):
    configs = [
        Protocol(epochs=2, limit_train=64, warmup_steps=steps).run(
            "digits", "simple_cnn", "sgd", arm, 0
        )
        for arm, steps in (("warmup", 5), ("warmup", 4), ("base", 200))
    ]
    show_remarks(configs)
    shown = capsys.readouterr().err
    assert "--warmup-steps 5 is longer than a run of 4 steps" in shown
    assert len(shown.splitlines()) == 1
