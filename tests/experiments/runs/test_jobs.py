"""--jobs: the runs that one process would have made, and nothing lost on the way."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.commands.cli import main
from experiments.config.execution import Execution
from experiments.errors import UserError
from experiments.machine import setup
from experiments.machine.stopping import Stop
from experiments.runs import jobs
from experiments.runs.run_directory import find_runs
from tests.helpers import CONFIG, small


def pairs(out, *argv):
    options = ["--seeds", "0", "1", "--arms", "base", "lm", "shuffled_scale"]
    return [*small("compare"), *options, "--out", str(out), *argv]


@pytest.mark.slow
def test_jobs_make_the_runs_of_one_process(tmp_path, capfd):
    assert main(pairs(tmp_path / "alone")) == 0
    assert main(pairs(tmp_path / "jobs", "--jobs", "2")) == 0
    said = capfd.readouterr().out
    assert "being run by another" not in said
    assert "waits for" not in said
    alone, together = ([*find_runs([tmp_path / n])] for n in ("alone", "jobs"))
    assert len(alone) == 6
    assert [run.path.name for run in alone] == [run.path.name for run in together]
    for a, b in zip(alone, together):
        # Fewer cores may add up a sum in another order.
        np.testing.assert_allclose(a.steps["loss"], b.steps["loss"], rtol=1e-5)
        np.testing.assert_allclose(a.steps["scale"], b.steps["scale"], rtol=1e-4)
    assert not list((tmp_path / "jobs" / "runs").glob(".*"))


@pytest.mark.parametrize(
    ("cores", "n", "shares"),
    [
        (range(4), 2, [{0, 1}, {2, 3}]),
        (range(5), 2, [{0, 1}, {2, 3, 4}]),
        ((3, 7), 2, [{3}, {7}]),
        ((3, 7), 3, [{3}, {7}, {3}]),
        (range(16), 1, [None]),
    ],
)
def test_jobs_share_the_cores(cores, n, shares, monkeypatch):
    taken = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(cores))
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, mine: taken.append(mine))
    for number in range(n):
        setup.take_share(number, n)
    assert taken == [share for share in shares if share is not None]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--jobs", "0"], "--jobs takes a number of 1 or more, got 0"),
        (["--jobs", "2", "--parallel", "pmap"], "choose one of the two"),
        (["--jobs", "2", "--coordinator", "host0:1234"], "choose one of the two"),
    ],
)
def test_what_does_not_go_with_jobs_is_refused(argv, message, tmp_path, capsys):
    assert main(pairs(tmp_path / "out", *argv)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def say_where(configs, out, execution):
    device = jnp.zeros(1).devices().pop()
    (out / str(os.getpid())).write_text(json.dumps([device.id, execution.jobs]))


def refuse(configs, out, execution):
    raise UserError("the disk is full")


def die(configs, out, execution):
    os.kill(os.getpid(), signal.SIGKILL)


def run_apart(work, out, n):
    execution = Execution(jobs=n, overwrite=True)
    jobs.run_apart(work, [CONFIG] * n, out, execution, Stop())


def test_jobs_are_spread_over_the_devices(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "2")
    run_apart(say_where, tmp_path, 3)
    said = sorted(json.loads(path.read_text()) for path in tmp_path.iterdir())
    assert said == [[0, 1], [0, 1], [1, 1]]


def say_budget(configs, out, execution):
    (out / str(os.getpid())).write_text(json.dumps(execution.time_budget))


@pytest.mark.parametrize("minutes", [None, 60])
def test_the_budget_of_jobs_ends_with_the_sweeps(minutes, tmp_path):
    """What they take to start is of it: none begins a run when it is spent."""
    execution = Execution(jobs=2, time_budget=minutes)
    jobs.run_apart(say_budget, [CONFIG] * 2, tmp_path, execution, Stop(minutes))
    said = [json.loads(path.read_text()) for path in tmp_path.iterdir()]
    assert len(said) == 2
    assert all(left is None if minutes is None else left < minutes for left in said)


@pytest.mark.parametrize(("work", "cause"), [(refuse, "status 2"), (die, "SIGKILL")])
def test_a_job_that_fails_is_told_of(work, cause, tmp_path, capfd):
    with pytest.raises(UserError, match=f"2 of 2 jobs failed .{cause}, .*--resume"):
        run_apart(work, tmp_path, 2)
    assert ("error: the disk is full" in capfd.readouterr().err) == (work is refuse)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.slow
def test_a_signal_stops_all_jobs_with_a_checkpoint(number, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-u", "-m", "experiments", "compare", "--jobs", "2"]
    command += ["--epochs", "500", "--seeds", "0", "--out", str(out)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        started = set()
        for line in process.stdout:
            if "epoch 2/" in line:
                started.add(line.split()[0])
            if len(started) == 2:
                break
        process.send_signal(number)
        try:
            # Returns once the jobs are gone too.
            _, error = process.communicate(timeout=120)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if number == signal.SIGTERM:
        assert process.returncode == 128 + signal.SIGTERM
        assert "stopped by SIGTERM: --resume continues from here" in error
    for run in started:
        assert list((out / "runs" / f".{run}.work").glob("*/digest"))


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.slow
def test_a_terminal_interrupt_ends_jobs_without_a_traceback(times, tmp_path):
    """Ctrl-C reaches the jobs too; a second one leaves none of them behind."""
    out = tmp_path / "out"
    command = [sys.executable, "-u", "-m", "experiments", "compare", "--jobs", "2"]
    command += ["--epochs", "5000", "--seeds", "0", "--out", str(out)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        while "epoch 2/" not in process.stdout.readline():
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        assert process.stderr.readline().startswith("SIGINT: ")
        if times == 2:
            time.sleep(0.5)
            os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate()  # once the jobs are gone too
    assert process.returncode == 130
    assert "Traceback" not in error
    if times == 1:
        assert error == "stopped by SIGINT: --resume continues from here\n"
        assert list((out / "runs").glob(".*.work/*/digest"))


def start_slowly(configs, out, execution):
    """What a job is like while it imports: it handles no signals."""
    (out / str(os.getpid())).touch()
    time.sleep(60)


# In a process of its own, because `multiprocessing` unblocks SIGINT only at its first
# start of a process.
INTERRUPTED = """
import sys
from pathlib import Path
from experiments.config.execution import Execution
from experiments.machine.stopping import Stop
from experiments.runs import jobs
from tests.experiments.runs.test_jobs import start_slowly
from tests.helpers import CONFIG

stop = Stop()
with stop.listening():
    jobs.run_apart(
        start_slowly, [CONFIG] * 2, Path(sys.argv[1]), Execution(jobs=2), stop
    )
"""


def test_a_terminal_interrupt_leaves_jobs_that_are_starting_to_the_parent(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        while len(list(tmp_path.iterdir())) < 2:
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate()
    assert process.returncode == 0
    assert error.startswith("SIGINT: ")
    assert error.count("\n") == 1, error
