"""Stop a command by signals at random moments, resume it, compare with one left alone.

python -m tests.experiments.kill_campaign table --rounds 20 --parallel pmap
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from experiments.runs.run_directory import find_runs
from experiments.study import registry, store
from tests.helpers import compare

TRAINING = {
    "train": "train",
    "compare": "compare --seeds 0 1",
    "table": "table digits --optimizers sgd --seeds 0 --arms base lm shuffled_scale",
}
STUDIES = {
    "stability": "--tasks mlp6 --optimizers sgd --arms base lm shuffled_scale"
    " --seeds 2",
    "spins": "--quick --parts tunnelling tunnelling-again",
    "anneal": "--objectives rastrigin --dimensions 2 --steps 400 --chains 6"
    " --settings 3 --tunings 2 --records 4 --barriers 0.5 --temperatures 0.5"
    " --escape-steps 1000",
}
SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def command(name: str, out: Path, epochs: int, parallel: str) -> list[str]:
    words = [sys.executable, "-u", "-m", "experiments"]
    if name in STUDIES:
        words += [name, *STUDIES[name].split()]
    else:
        words += [*TRAINING[name].split(), "--epochs", str(epochs)]
        words += ["--limit-train", "640", "--parallel", parallel]
        words += ["--checkpoint-minutes", "0"]
    return [*words, "--resume", "--out", str(out)]


def finished(name: str, out: Path) -> dict[str, int]:
    """The files of rows that will not be written again, with their inodes."""
    if name in STUDIES:
        files = store.files_of(registry.study(name), out)
    else:
        files = [run.path / "result.json" for run in find_runs([out])]
    return {str(path): path.stat().st_ino for path in files}


def compare_rows(name: str, whole: Path, killed: Path) -> None:
    if name not in STUDIES:
        compare(find_runs([whole]), find_runs([killed]))
        return
    study = registry.study(name)
    files = store.files_of
    contents = [
        {path.relative_to(out): path.read_bytes() for path in files(study, out)}
        for out in (whole, killed)
    ]
    assert contents[0] == contents[1]
    store.read(study, killed)


def campaign(
    name: str, out: Path, rounds: int, epochs: int, parallel: str, seed: int
) -> int:
    """Returns how many signals met a command at work; raises where results differ.

    In each round, the command gets the next of SIGNALS up to 4 s after it begins a run
    or a study, or while it starts up. A command that is done first starts anew in
    another directory, and the last one is left to finish.
    """
    devices = {"JAX_NUM_CPU_DEVICES": "1" if parallel == "none" else "8"}
    environment = os.environ | devices
    rng = random.Random(seed)
    whole, killed = out / "whole", out / "killed0"

    def left_alone(directory: Path) -> None:
        words = command(name, directory, epochs, parallel)
        silent = subprocess.DEVNULL
        subprocess.run(words, env=environment, check=True, stdout=silent)

    left_alone(whole)
    begun = b" to measure" if name in STUDIES else b" steps"
    at_work, before = 0, {}
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
                    if begun in line:
                        at_work += 1
                        break
            try:
                process.wait(rng.uniform(0, 4))
            except subprocess.TimeoutExpired:
                process.send_signal(sent)
            process.stdout.read()
            status = process.wait()
        assert status in (0, -sent, 128 + sent), f"{sent.name}: status {status}"
        now = finished(name, killed)
        assert before.items() <= now.items(), "finished rows were lost or done again"
        before = now
        if status == 0:
            compare_rows(name, whole, killed)
            killed, before = out / f"killed{number + 1}", {}
    left_alone(killed)
    compare_rows(name, whole, killed)
    left = [path.name for path in (killed / "runs").glob(".*")]
    assert not left, f"left behind: {left}"
    return at_work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=[*TRAINING, *STUDIES])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--parallel", default="none")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        at_work = campaign(out=Path(scratch), **vars(options))
    print(
        f"{options.name} --parallel {options.parallel}, {options.rounds} signals "
        f"({at_work} of them at work): identical to one that was left alone"
    )


if __name__ == "__main__":
    main()
