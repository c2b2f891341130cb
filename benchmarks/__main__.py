"""Entry point of `python -m benchmarks`; each benchmark is a command (see cli.py)."""

from experiments.cli import dispatch

# name: (module, what it measures)
BENCHMARKS: dict[str, tuple[str, str]] = {
    "training": ("benchmarks.training", "a training step against PyTorch's"),
    "overhead": ("benchmarks.overhead", "what landscape_modify adds to a step"),
}

if __name__ == "__main__":
    raise SystemExit(dispatch("python -m benchmarks", BENCHMARKS))
