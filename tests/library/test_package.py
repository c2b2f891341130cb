"""What the package imports, and what it says of itself."""

import ast
import sys
from pathlib import Path

import landmod_jax

ROOT = Path(__file__).resolve().parents[2]


def test_every_public_name_is_documented():
    for name, value in vars(landmod_jax).items():
        if name.startswith("_") or not callable(value):
            continue
        assert (value.__doc__ or "").strip(), name
        if not name.endswith("State"):
            assert ">>>" in value.__doc__, f"{name} has no example"
        if hasattr(value, "__code__"):
            assert "Args:" in value.__doc__ or value.__code__.co_argcount == 0, name


def imported(file):
    """The packages that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


def test_the_library_needs_jax_and_optax_alone():
    """SciPy and NumPy come with JAX; dimod is for its sampler only."""
    known = {"landmod_jax", "jax", "optax", "numpy", "scipy", *sys.stdlib_module_names}
    for file in (ROOT / "landmod_jax").rglob("*.py"):
        others = set(imported(file)) - known
        assert others <= ({"dimod"} if file.name == "dimod_sampler.py" else set())


def test_the_layers_do_not_import_upwards():
    above = {
        "models": {"landmod_jax", "experiments", "benchmarks"},
        "experiments": {"benchmarks", "tests"},
    }
    for package, others in above.items():
        for file in (ROOT / package).rglob("*.py"):
            assert not others & set(imported(file)), file
