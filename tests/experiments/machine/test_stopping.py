"""Signals and closed outputs: a checkpoint, one line, a status; never a traceback."""

import contextlib
import ctypes
import dataclasses
import errno
import gc
import os
import signal
import subprocess
import sys
import time
import types

import pytest

from experiments.commands import cli
from experiments.errors import UserError
from experiments.machine.progress import Plain
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
    assert str(stop.stopped()) == f"stopped by {number.name}"
    assert stop.stopped().status == 128 + number
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith(f"{number.name}: ")
    assert "Ctrl-C" in said


@pytest.mark.usefixtures("no_nohup")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_second_of_these_leaves_the_time_to_save(number):
    # A shell passes SIGHUP on to what the kernel has sent it to; so does `timeout`.
    stop = Stop()
    with stop.listening():
        signal.raise_signal(number)
        signal.raise_signal(number)
    assert stop()


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


# In XLA, too, the main thread runs no Python.
STUCK = """
import ctypes, os, signal, sys, threading
from experiments.machine.stopping import Stop

mutex, libc = ctypes.create_string_buffer(64), ctypes.CDLL(None)

def stuck(seconds=None):
    if seconds:
        threading.Timer(seconds, libc.pthread_mutex_unlock, [mutex]).start()
    libc.pthread_mutex_lock(mutex)

libc.pthread_mutex_lock(mutex)
"""


def script(code):
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_an_interrupt_is_answered_and_a_second_obeyed_while_xla_works():
    forever = """
with Stop().listening():
    print("ready", flush=True)
    stuck()
"""
    with script(STUCK + forever) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline().startswith("SIGINT: ")
        time.sleep(0.5)  # a person's second one
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == "interrupted\n"


def test_an_interrupt_sent_twice_leaves_the_time_to_save():
    """As from `timeout -s INT`: to the process and to its group, in a long step."""
    twice = """
stop = Stop()
with stop.listening():
    signal.raise_signal(signal.SIGINT)
    threading.Timer(0.02, os.kill, [os.getpid(), signal.SIGINT]).start()
    stuck(seconds=0.5)
    print(stop.stopped(), flush=True)
"""
    with script(STUCK + twice) as process:
        said, error = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "stopped by SIGINT\n"), error
    assert error.startswith("SIGINT: ")
    assert error.count("\n") == 1


def test_an_output_that_fails_is_a_request_to_stop(monkeypatch):
    def closed(*args, **kwargs):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    stop = Stop()
    monkeypatch.setattr("builtins.print", closed)
    Plain(stop.output_failed).line("epoch 1")
    assert stop()
    assert stop.stopped().status == OUTPUT_CLOSED == 141


@dataclasses.dataclass(frozen=True)
class NoOptions:
    """A command without options."""


@pytest.fixture
def command(monkeypatch):
    """Runs a command that does what it is given; returns its status."""

    def run(do):
        module = types.SimpleNamespace(Config=NoOptions, run=lambda config: do())
        monkeypatch.setitem(sys.modules, "some_command", module)
        return cli.dispatch("prog", {"some": ("some_command", "")}, ["some"])

    return run


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
def test_every_end_has_its_status_and_line(error, status, said, command, capsys):
    def do():
        raise error

    assert command(do) == status
    err = capsys.readouterr().err
    assert err.startswith(said)
    assert err.count("\n") == bool(said)


def test_whatever_an_interrupt_becomes_is_an_interrupt(command, capsys):
    def do():  # as an import that is interrupted
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise ImportError("NumPy's C extensions are missing") from error

    assert command(do) == 130
    assert capsys.readouterr().err == "interrupted\n"


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


def in_a_callback_of_the_garbage_collector():
    def callback(phase, info):
        gc.callbacks.remove(callback)
        signal.raise_signal(signal.SIGINT)

    gc.callbacks.append(callback)
    gc.collect()


def in_a_finalizer():
    class Object:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    Object()


def in_code_that_takes_any_error():
    with contextlib.suppress(BaseException):
        signal.raise_signal(signal.SIGINT)


def in_a_callback_from_c():
    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    compare = callback(lambda a, b: signal.raise_signal(signal.SIGINT) or 0)
    ctypes.CDLL(None).qsort(ctypes.create_string_buffer(2), 2, 1, compare)


DISCARDED = (
    in_a_callback_of_the_garbage_collector,
    in_a_finalizer,
    in_a_callback_from_c,
)


@pytest.mark.parametrize("place", DISCARDED)
def test_an_interrupt_that_python_discards_ends_the_work(place, command, capsys):
    """Python prints "Exception ignored" and continues (JAX adds such a callback)."""
    done = []

    def do():
        place()
        while time.monotonic() < deadline:
            pass
        done.append("everything")

    deadline = time.monotonic() + 30
    assert command(do) == 130
    assert not done
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("place", [*DISCARDED, in_code_that_takes_any_error])
def test_an_interrupt_that_is_discarded_at_the_end_is_one(place, command, capsys):
    assert command(place) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_spent_budget_is_told_from_success():
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


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_not_change_the_end(closed, tmp_path):
    """Neither a traceback nor a message in another stream or file."""
    said = subprocess.run(
        f"{' '.join(COMMAND)} list {tmp_path}/nowhere {closed}; "
        f"echo $?; {' '.join(COMMAND)} --help >/dev/null {closed}; echo $?",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert said.stdout == "2\n0\n"
    assert said.stderr in ("", f"error: {tmp_path}/nowhere does not exist\n")


def train(out):
    argv = [*COMMAND, "train", "--limit-train", "64", "--batch-size", "32"]
    return [*argv, "--epochs", "5000", "--out", str(out)]


def assert_saved(out):
    (work,) = (out / "runs").glob(".*.work")
    (checkpoint,) = work.glob("*/digest")
    assert int(checkpoint.parent.name) >= 2 * 2  # two epochs of two steps


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        signal.SIGINT,
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_a_signal_saves_a_checkpoint(number, tmp_path):
    with subprocess.Popen(
        train(tmp_path / "out"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while "epoch 2/" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(number)
        _, error = process.communicate()
    assert process.returncode == 128 + number
    assert error.splitlines()[-1] == (
        f"stopped by {number.name}: --resume continues from here"
    )
    assert "Traceback" not in error
    assert_saved(tmp_path / "out")


@pytest.mark.slow
def test_a_broken_pipe_saves_a_checkpoint(tmp_path):
    with subprocess.Popen(
        train(tmp_path / "out"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while "epoch 2/" not in process.stdout.readline():
            assert process.poll() is None
        process.stdout.close()
        error = process.stderr.read()
    assert process.returncode == 141, error
    assert "stopped because its output is closed (Broken pipe)" in error
    assert "Traceback" not in error
    assert "Exception" not in error
    assert_saved(tmp_path / "out")


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
