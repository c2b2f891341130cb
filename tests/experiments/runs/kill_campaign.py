"""Stop a sweep by signals at random moments, resume it, compare with one left alone.

python -m tests.experiments.runs.kill_campaign table --rounds 20 --parallel pmap
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from experiments.runs.run_directory import Run, find_runs
from tests.helpers import compare

COMMANDS = {
    "train": "train",
    "compare": "compare --seeds 0 1",
    "table": "table digits --optimizers sgd --seeds 0 --arms base lm shuffled_scale",
}


def command(name: str, out: Path, epochs: int, parallel: str) -> list[str]:
    argv = [sys.executable, "-u", "-m", "experiments", *COMMANDS[name].split()]
    argv += ["--epochs", str(epochs), "--limit-train", "640", "--parallel", parallel]
    return [*argv, "--checkpoint-minutes", "0", "--resume", "--out", str(out)]


SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def campaign(
    name: str, out: Path, rounds: int, epochs: int, parallel: str, seed: int
) -> int:
    """Returns how many signals met a run at work; raises where results differ.

    In each round, the sweep gets the next of SIGNALS up to 4 s after its first run
    begins, or while it starts up; after the last one it is left to finish.
    """
    devices = {"JAX_NUM_CPU_DEVICES": "1" if parallel == "none" else "8"}
    environment = os.environ | devices
    rng = random.Random(seed)
    whole, killed = out / "whole", out / "killed"
    subprocess.run(
        command(name, whole, epochs, parallel),
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    at_work = 0
    finished: dict[str, int] = {}
    for number in range(rounds):
        sent = SIGNALS[number % len(SIGNALS)]
        with subprocess.Popen(
            command(name, killed, epochs, parallel),
            env=environment,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            if rng.random() < 0.9:  # the rest while it starts up
                for line in process.stdout:
                    if b" steps" in line:
                        at_work += 1
                        break
            try:
                process.wait(rng.uniform(0, 4))
            except subprocess.TimeoutExpired:
                process.send_signal(sent)
            process.stdout.read()
            status = process.wait()
        assert status in (0, -sent, 128 + sent), f"{sent.name}: status {status}"
        now = {run.path.name: inode(run) for run in find_runs([killed])}
        assert finished.items() <= now.items(), "a finished run was lost or done again"
        finished = now
    subprocess.run(
        command(name, killed, epochs, parallel),
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    compare(find_runs([whole]), find_runs([killed]))
    left = [p.name for p in (killed / "runs").iterdir() if p.name.startswith(".")]
    assert not left, f"left behind: {left}"
    return at_work


def inode(run: Run) -> int:
    return (run.path / "result.json").stat().st_ino


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=list(COMMANDS))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--parallel", default="none")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        met = campaign(out=Path(scratch), **vars(options))
    print(
        f"{options.name} --parallel {options.parallel}, {options.rounds} signals "
        f"({met} of them at work on a run): identical to one that was left alone"
    )


if __name__ == "__main__":
    main()
