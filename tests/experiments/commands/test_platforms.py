"""A machine that lacks something: one line says what, and no command starts."""

import os
import subprocess
import sys
import threading

import jax
import pytest

from experiments.commands.cli import main

AS_ON_WINDOWS = """
import runpy, signal, sys
sys.modules["fcntl"] = None
del signal.SIGHUP, signal.SIGPIPE
runpy.run_module("experiments", run_name="__main__", alter_sys=True)
"""
AS_ON_PYTHON_3_9 = """
import runpy, sys
sys.version_info = (3, 9, 18, "final", 0)
runpy.run_module("experiments", run_name="__main__", alter_sys=True)
"""
COMMANDS = (
    ["train", "--epochs", "1", "--limit-train", "64"],
    ["compare", "--epochs", "1", "--limit-train", "64", "--seeds", "0"],
    ["table", "digits"],
    ["anneal"],
)


def ended(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )


def test_a_platform_that_the_machine_lacks_is_named(tmp_path):
    out = tmp_path / "out"
    command = ("-m", "experiments", *COMMANDS[0], "--out", str(out))
    run = ended(*command, JAX_PLATFORMS="gpux")
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert line.startswith("error: JAX cannot start with JAX_PLATFORMS=gpux: ")
    assert not out.exists()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_every_command_that_measures_names_it(command, tmp_path, monkeypatch, capsys):
    def fail():
        raise RuntimeError("Unable to initialize backend 'gpux'")

    monkeypatch.setattr(jax, "devices", fail)
    jax.config.update("jax_platforms", "gpux")
    try:
        assert main([*command, "--out", str(tmp_path / "out")]) == 2
    finally:
        jax.config.update("jax_platforms", None)
    assert "JAX cannot start with JAX_PLATFORMS=gpux: " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_command_runs_in_a_thread(tmp_path):
    """As in a notebook's or a web application's server."""
    statuses = []
    command = [*COMMANDS[0], "--out", str(tmp_path / "out")]
    thread = threading.Thread(target=lambda: statuses.append(main(command)))
    thread.start()
    thread.join()
    assert statuses == [0]


def test_without_the_locks_of_unix_one_line_names_the_supported_systems():
    run = ended("-c", AS_ON_WINDOWS, "train", "--dry-run")
    assert run.returncode == 1
    assert run.stderr.startswith("error: the experiments run on Linux and macOS")
    assert run.stderr.count("\n") == 1


def test_a_python_that_is_too_old_is_named():
    run = ended("-c", AS_ON_PYTHON_3_9, "--help")
    assert run.returncode == 1
    assert run.stderr == (
        "error: the experiments need Python 3.11 or newer, but this is 3.9\n"
    )
