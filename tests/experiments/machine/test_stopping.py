"""Signals and closed outputs: a checkpoint, one line, a status; never a traceback."""

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import time
import types

import pytest

from experiments.commands import cli
from experiments.errors import UserError
from experiments.machine.progress import Progress
from experiments.machine.stopping import BUDGET_SPENT, OUTPUT_CLOSED, Stop, Stopped

COMMAND = [sys.executable, "-u", "-m", "experiments"]


@pytest.fixture
def no_nohup():
    """Where the tests themselves run under nohup, hangups are ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("no_nohup")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_a_request_to_stop(number, capsys):
    stop = Stop()
    with stop.listening():
        assert not stop()
        signal.raise_signal(number)
        assert stop()
        # A shell passes SIGHUP on to what the kernel has sent it to; so does `timeout`.
        if number != signal.SIGINT:
            signal.raise_signal(number)
    assert str(stop.stopped()) == f"stopped by {number.name}"
    assert stop.stopped().status == 128 + number
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith(f"{number.name}: ")
    assert "Ctrl-C" in said


def test_hangups_stay_ignored_under_nohup():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = Stop()
        with stop.listening():
            signal.raise_signal(signal.SIGHUP)
            assert not stop()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


LISTENING = """
import os, signal, subprocess, sys, time
from experiments.machine.stopping import Stop
stop = Stop()
with stop.listening():
    print("ready", flush=True)
    while not stop():
        time.sleep(0.001)
    time.sleep({seconds})
print(stop.stopped(), flush=True)
"""


def listening(seconds):
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENING.format(seconds=seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_second_interrupt_ends_the_process_at_once():
    with listening(seconds=60) as process:
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline().startswith("SIGINT: ")
        time.sleep(0.5)  # a person's second one
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == "interrupted\n"


def test_an_interrupt_sent_twice_leaves_the_time_to_save():
    """As from `timeout -s INT`: to the process and to its group."""
    with listening(seconds=0.2) as process:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        said, error = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "stopped by SIGINT\n"), error
    assert error.startswith("SIGINT: ")
    assert error.count("\n") == 1


def test_an_output_that_fails_is_a_request_to_stop(monkeypatch, capsys):
    def closed(*args, **kwargs):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    stop = Stop()
    monkeypatch.setattr("builtins.print", closed)
    Progress(failed=stop.output_failed).line("epoch 1")
    monkeypatch.undo()
    assert stop()
    with stop.listening():
        signal.raise_signal(signal.SIGINT)  # it is acknowledged all the same
    assert capsys.readouterr().err.startswith("SIGINT: ")
    assert stop.stopped().status == OUTPUT_CLOSED == 141


@dataclasses.dataclass(frozen=True)
class NoOptions:
    """A command without options."""


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (UserError("what"), 2, "error: what\n"),
        (Stopped("stopped by SIGHUP", 129), 129, "stopped by SIGHUP: "),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, ""),
        (OSError(30, "Read-only file system", "/a"), 2, "error: /a: Read-only file s"),
        (FileNotFoundError(2, "No such file", b"/b"), 2, "error: /b: No such file\n"),
        (OSError("cannot open"), 2, "error: cannot open\n"),
    ],
)
def test_every_end_has_its_status_and_line(error, status, said, monkeypatch, capsys):
    def fail(config):
        raise error

    module = types.SimpleNamespace(Config=NoOptions, run=fail)
    monkeypatch.setitem(sys.modules, "some_command", module)
    commands = {"some": ("some_command", "")}
    assert cli.dispatch("prog", commands, ["some"]) == status
    err = capsys.readouterr().err
    assert err.startswith(said)
    assert err.count("\n") == bool(said)


FRAGILE = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)
except BaseException:
    os.abort()
"""


def test_an_interrupt_never_meets_c_code_that_is_being_imported(tmp_path):
    """Some of it crashes when Python raises KeyboardInterrupt in it."""
    (tmp_path / "pandas.py").write_text(FRAGILE)
    ended = subprocess.run(
        [*COMMAND, "list", str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stderr) == (130, "interrupted\n")


def test_a_spent_budget_differs_from_success():
    stop = Stop(minutes=0)
    assert stop()
    assert stop.stopped().status == BUDGET_SPENT != 0


def test_a_reader_that_leaves_ends_a_long_output_quietly():
    shown = subprocess.run(
        f"{' '.join(COMMAND)} --help | true; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
    )
    assert shown.stderr == ""
    assert shown.stdout in ("0\n", "141\n")  # read before it left, or not


def train(out):
    argv = [*COMMAND, "train", "--limit-train", "64", "--batch-size", "32"]
    return [*argv, "--epochs", "5000", "--out", str(out)]


def assert_saved(out):
    (work,) = (out / "runs").glob(".*.work")
    (checkpoint,) = work.glob("*.npz")
    assert int(checkpoint.stem) >= 2 * 2  # two epochs of two steps


@pytest.mark.usefixtures("no_nohup")
@pytest.mark.parametrize(
    ("end", "status", "said"),
    [
        (signal.SIGTERM, 143, "stopped by SIGTERM"),
        pytest.param(signal.SIGINT, 130, "stopped by SIGINT", marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 129, "stopped by SIGHUP", marks=pytest.mark.slow),
        pytest.param(
            None,
            141,
            "stopped because its output is closed (Broken pipe)",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_signal_or_a_broken_pipe_saves_a_checkpoint(end, status, said, tmp_path):
    with subprocess.Popen(
        train(tmp_path / "out"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while "epoch 2/" not in process.stdout.readline():
            assert process.poll() is None
        if end is None:
            process.stdout.close()
        else:
            process.send_signal(end)
        error = process.stderr.read()
    assert process.returncode == status, error
    assert error.splitlines()[-1] == f"{said}: --resume continues from here"
    assert "Traceback" not in error
    assert "Exception" not in error
    assert_saved(tmp_path / "out")


@pytest.mark.slow
@pytest.mark.usefixtures("no_nohup")
def test_a_terminal_that_goes_away_saves_a_checkpoint(tmp_path):
    """Everything is written to a terminal that hangs up, as when a window is closed."""
    import pty

    leader, follower = pty.openpty()
    with subprocess.Popen(
        train(tmp_path / "out"),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    ) as process:
        os.close(follower)
        seen = b""
        while b"epoch 2/" not in seen:
            seen += os.read(leader, 10_000)
        process.send_signal(signal.SIGHUP)
        os.close(leader)
        process.wait(60)
    assert process.returncode in (129, 141)
    assert_saved(tmp_path / "out")
