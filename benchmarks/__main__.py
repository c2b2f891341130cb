"""Entry point of `python -m benchmarks`; each benchmark is a command (see cli.py)."""

from experiments.commands.cli import dispatch

# name: (module, what it measures)
BENCHMARKS: dict[str, tuple[str, str]] = {
    "training": ("benchmarks.training", "a training step against PyTorch's"),
    "program": (
        "benchmarks.program",
        "kernels and bytes of a step on an H100, without one",
    ),
    "overhead": ("benchmarks.overhead", "what landscape_modify adds to a step"),
    "spins": ("benchmarks.spins", "flips and max-cut against dwave-samplers"),
}

if __name__ == "__main__":
    raise SystemExit(dispatch("python -m benchmarks", BENCHMARKS))
