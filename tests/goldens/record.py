"""What a change of structure must leave alone, as texts that a diff can show.

python -m tests.goldens.record [NAME ...]   accepts what the code gives now
"""

import contextlib
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

import jax
import numpy as np

from experiments.annealing import search as annealing_search
from experiments.commands import table
from experiments.commands.cli import main as cli
from experiments.config.tables import TABLES
from experiments.report import statistics, style
from experiments.spins import problems
from experiments.spins import search as spins_search
from experiments.spins.options import WHOLE
from experiments.stability import margins, program
from experiments.stability.tasks import TASKS
from experiments.study import registry
from experiments.train.trainer import Keys

HERE = Path(__file__).parent
ROOT = Path(__file__).parents[2]
LARGE = ("stability", "stability-cifar10")  # their bootstraps take long
ROWS = ("*.csv", "*.csv.gz", *(study.index for study in registry.studies()))
TEXTS = (
    "train --dry-run",
    "compare --optimizer adam --arms base lm clip --dry-run",
    "compare --lr-sweep 0.1 0.2 --dry-run",
    "table digits --dry-run",
    "table all --seeds 0 --dry-run",
    "stability --dry-run",
    "stability --quick --tasks mlp12 --optimizers sgd --dry-run",
    "spins --dry-run",
    "spins --quick --dry-run",
    "anneal --dry-run",
    "anneal --objectives rastrigin --dimensions 2 --dry-run",
    "list results/annealing results/spins results/stability-h100",
)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def numbers(values: object) -> str:
    """The digest of numbers to six digits, which are equal on every machine."""
    shown = [f"{value:.6g}" for value in np.asarray(values, np.float64).ravel()]
    return digest(" ".join(shown).encode())


def of_results(scratch: Path, names: Sequence[str]) -> Iterator[str]:
    """Digests of the rows of studies, decompressed, and of the tables made of them."""
    for name in names:
        for pattern in ROWS:
            for path in sorted((ROOT / "results" / name).rglob(pattern)):
                copy = scratch / path.relative_to(ROOT / "results")
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, copy)
    status, said = called(["results", "--root", str(scratch)])
    assert status == 0, said
    for path in sorted(scratch.glob("*/**/*")):
        if path.is_file():
            content = path.read_bytes()
            if path.suffix == ".gz":
                content = gzip.decompress(content)
            yield f"{digest(content)}  {path.relative_to(scratch)}"


def studies() -> list[str]:
    return sorted(path.name for path in (ROOT / "results").iterdir() if path.is_dir())


def run_names() -> Iterator[str]:
    for name in TABLES:
        yield f"# {name}"
        yield from (run.run_id for run in table.runs_of(name, table.Config()))


def texts() -> Iterator[str]:
    """What commands print that only look."""
    for line in TEXTS:
        with tempfile.TemporaryDirectory() as empty, contextlib.chdir(empty):
            if line.startswith("list"):
                Path("results").symlink_to(ROOT / "results")
            status, said = called(line.split())
        yield from (f"$ {line}", *said.splitlines(), f"[{status}]", "")


def called(argv: Sequence[str]) -> tuple[int, str]:
    """A command's status and what it prints; it draws no pictures."""
    said = io.StringIO()
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        mock.patch.object(style.Drawing, "of", return_value=()),
    ):
        status = cli(argv)
    return status, said.getvalue()


def streams() -> Iterator[str]:
    """The random numbers of runs and studies."""
    for seed in (0, 10, 100):
        keys = np.stack([jax.random.key_data(key) for key in Keys.of(seed)])
        yield f"keys of the run of seed {seed}: {digest(keys.tobytes())}"
    for name, task in TASKS.items():
        batches = [program.batches(seed, task, 1257) for seed in range(2000, 2004)]
        yield f"batches of {name}: {digest(np.stack(batches).tobytes())}"
    for method in annealing_search.ALL:
        drawn = [
            list(vars(setting).values())
            for tuning in range(3)
            for setting in annealing_search.draw(method, tuning, 16)
        ]
        yield f"settings of {method}: {numbers(drawn)}"
    for name, family in problems.families(False).items():
        drawn = spins_search.draw(family, WHOLE)
        values = [(s.first, s.last, s.sweeps, len(s.shape)) for s in drawn]
        instance = family.make(1000)
        couplings = numbers([*instance.pairs.ravel(), *instance.J])
        yield f"settings of {name}: {numbers(values)}, instance 1000: {couplings}"
    failed = np.arange(48)[:, None] * 9 < 20 * np.arange(9)[None] ** 2
    rates = tuple(0.01 * 2**i for i in range(9))
    counts = margins.Counts(tuple(map(int, failed.sum(0))), 48, rates)
    yield f"draws of margins: {numbers(margins.draws(counts, margins.SHARE))}"
    d = np.sin(np.arange(40)) + 0.2
    flips = [statistics.sign_flip_p(d[:count]) for count in (10, 40)]
    yield f"sign flips of 10 and 40: {numbers(flips)}"
    yield f"interval of 40: {numbers(statistics.interval(d))}"


SWEEP = "compare --seeds 10 --limit-train 96 --epochs 2 --batch-size 32"


def of_runs(out: Path) -> Iterator[str]:
    """The digests of a sweep's steps and weights."""
    for path in sorted((out / "runs").iterdir()):
        steps = digest((path / "steps.csv").read_bytes())
        result = json.loads((path / "result.json").read_text())
        yield f"{path.name}: {steps} {result['params_sha256'][:16]}"


def machine() -> str:
    """What decides the bits of a sweep besides the code."""
    cpu = ""
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
        facts = dict(re.findall(r"(?m)^(.*?)\s*: (.*)$", text.partition("\n\n")[0]))
        # Libraries choose their code by the processor's generation and flags.
        kind = ("cpu family", "model", "stepping", "flags")
        digest = hashlib.sha256(repr([facts.get(x) for x in kind]).encode())
        cpu = f"{facts.get('model name', '')} {digest.hexdigest()[:8]}"
    names = ("XLA_FLAGS", "JAX_DISABLE_MOST_OPTIMIZATIONS")
    flags = " ".join(os.environ.get(name, "") for name in names)
    return f"{cpu}, jax {jax.__version__}, {flags.strip()}"


def sweep() -> Iterator[str]:
    """A small sweep, after the machine that made it."""
    with tempfile.TemporaryDirectory() as scratch:
        status, said = called([*SWEEP.split(), "--out", f"{scratch}/out"])
        assert status == 0, said
        yield f"# {machine()}"
        yield from of_runs(Path(scratch) / "out")


def results() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as scratch:
        yield from of_results(Path(scratch), studies())


MADE = {
    "run_names": run_names,
    "texts": texts,
    "streams": streams,
    "results": results,
    "sweep": sweep,
}


def main() -> None:
    for name in sys.argv[1:] or MADE:
        lines = list(MADE[name]())
        (HERE / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
