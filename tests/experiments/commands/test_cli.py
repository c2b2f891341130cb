"""The command line from outside: help, wrong names, errors without tracebacks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.commands import parsing, report, train
from experiments.commands.cli import COMMANDS, main
from experiments.config.options import Protocol, show_remarks


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


def test_a_wrong_command_is_answered_with_the_nearest(capsys):
    assert main(["comparee"]) == 2
    assert "Did you mean 'compare'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("program", "argv", "package", "extras"),
    [
        ("experiments", ["train"], "tyro", "experiments"),
        ("experiments", ["train", "--help"], "tyro", "experiments"),
        ("experiments", ["table", "digits"], "flax", "experiments"),
        ("benchmarks", ["overhead"], "tyro", "experiments"),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    program, argv, package, extras, tmp_path
):
    code = (
        "import runpy, sys\n"
        f"sys.modules[{package!r}] = None\n"
        f"sys.argv = {[program, *argv]!r}\n"
        f"runpy.run_module({program!r}, run_name='__main__', alter_sys=True)"
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
        f"error: {package} is not installed: run pip install '.[{extras}]' in the "
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


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["train", "--dataset", "mnist"], "unknown data set 'mnist'"),
        (["train", "--model", "simple_cn"], "simple_cnn"),
        (["train", "--eps", "0"], "eps must be greater than 0"),
        (["train", "--time-budget", "-1"], "--time-budget takes minutes"),
        (["table", "9.9"], "unknown table '9.9'"),
        (["compare", "--resume", "--overwrite"], "exclude each other"),
        (["train", "--f", "linaer"], "linear"),
    ],
)
def test_errors_are_short_and_change_nothing(argv, message, capsys, tmp_path):
    out = tmp_path / "out"
    assert main([*argv, "--out", str(out)]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown
    assert not out.exists()
