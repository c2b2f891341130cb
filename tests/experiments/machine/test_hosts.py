"""Two processes with two devices each, against one process with one."""

import os
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest

from experiments.commands.cli import main
from experiments.machine.stopping import BUDGET_SPENT
from experiments.runs.run_directory import find_runs
from tests.helpers import compare


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(out, model, *more):
    port = free_port()
    argv = [sys.executable, "-u", "-m", "experiments", "train", "--model", model]
    argv += ["--limit-train", "660", "--momentum", "0", "--parallel", "sharded"]
    argv += ["--coordinator", f"127.0.0.1:{port}", "--num-processes", "2"]
    argv += ["--out", str(out), *more]
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "2"}
    return [
        subprocess.Popen(
            [*argv, "--process-id", str(i)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in range(2)
    ]


def finish(processes, status=(0,)):
    said = [process.communicate()[0] for process in processes]
    assert all(p.returncode in status for p in processes), "\n".join(said)
    return said


@pytest.mark.slow
def test_two_processes_train_as_one_device(tmp_path):
    """With batch norm, whose statistics are those of all devices."""
    model, common = "preresnet11", ("--learning-rate", "0.0001", "--epochs", "1")
    said = finish(start(tmp_path / "two", model, *common))
    assert "epoch 1/1" in said[0]
    assert "epoch 1/1" not in said[1]
    argv = ["train", "--model", model, "--limit-train", "660", "--momentum", "0"]
    assert main([*argv, *common, "--out", str(tmp_path / "one")]) == 0
    (two,), (one,) = find_runs([tmp_path / "two"]), find_runs([tmp_path / "one"])
    assert two.config == one.config
    for name in ("loss", "c"):
        np.testing.assert_allclose(
            two.steps[name][:20], one.steps[name][:20], rtol=1e-5
        )


@pytest.mark.slow
def test_a_signal_to_one_process_stops_both_and_both_go_on(tmp_path):
    epochs = ("--epochs", "10", "--resume")
    finish(start(tmp_path / "whole", "simple_cnn", *epochs))
    processes = start(tmp_path / "cut", "simple_cnn", *epochs)
    for line in processes[0].stdout:
        if "epoch 3/" in line:
            break
    processes[1].send_signal(signal.SIGTERM)
    said = finish(processes, status=(BUDGET_SPENT, 128 + signal.SIGTERM))
    assert "stopped with another process" in said[0]
    said = finish(start(tmp_path / "cut", "simple_cnn", *epochs))
    assert "resumes from step" in said[0]
    compare(find_runs([tmp_path / "whole"]), find_runs([tmp_path / "cut"]))
