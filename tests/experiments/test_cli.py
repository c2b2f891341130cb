"""The command line from outside: help, wrong names, errors without tracebacks."""

import subprocess
import sys

import pytest

from experiments.commands.cli import COMMANDS, main


def test_help_lists_every_command_without_importing_jax():
    code = (
        "import sys; from experiments.commands.cli import main; status = main(['--help']); "
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
    ("argv", "message"),
    [
        (["train", "--dataset", "mnist"], "unknown data set 'mnist'"),
        (["train", "--model", "simple_cn"], "simple_cnn"),
        (["train", "--eps", "0"], "eps must be greater than 0"),
        (["train", "--shard", "3/2"], "--shard takes i/n"),
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
