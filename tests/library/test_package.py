"""The package alone: what it imports, what it exports, what it says of itself."""

import subprocess
import sys

import landmod_jax

# What jax and optax themselves need; everything else is blocked.
ALONE = """
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder

ALLOWED = {"jax", "jaxlib", "optax", "landmod_jax", "numpy", "scipy", "ml_dtypes",
           "opt_einsum", "absl", "typing_extensions"}

class Allowed:
    @staticmethod
    def find_spec(name, path=None, target=None):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in ALLOWED or top.startswith("_"):
            return PathFinder.find_spec(name, path, target)
        return None  # as if it were not installed

sys.meta_path[:] = [BuiltinImporter, FrozenImporter, Allowed]
import jax.numpy as jnp
import optax
import landmod_jax as lm

tx = optax.chain(lm.landscape_modify("bounded"), optax.adam(0.1))
updates, state = tx.update(jnp.ones(2), tx.init(jnp.ones(2)), value=1.0)
assert lm.current(state).c == 1
lm.landscape(jnp.ones(2), 0.0), lm.critical_height([0.0, 1.0])
for name in ("flax", "matplotlib", "pandas", "chex", "models", "experiments"):
    assert name not in sys.modules, name
"""


def test_it_works_with_jax_jaxlib_and_optax_alone():
    subprocess.run([sys.executable, "-c", ALONE], check=True)


def test_every_public_name_is_documented():
    for name, value in vars(landmod_jax).items():
        if name.startswith("_") or not callable(value):
            continue
        assert (value.__doc__ or "").strip(), name
        if not name.endswith("State"):
            assert ">>>" in value.__doc__, f"{name} has no example"
        if hasattr(value, "__code__"):
            assert "Args:" in value.__doc__ or value.__code__.co_argcount == 0, name


def test_the_layers_do_not_import_upwards():
    """landmod_jax imports neither models nor experiments; models neither of the two."""
    import ast
    from pathlib import Path

    root = Path(landmod_jax.__file__).resolve().parent.parent
    forbidden = {
        "landmod_jax": {"models", "experiments", "benchmarks"},
        "models": {"landmod_jax", "experiments", "benchmarks"},
        "experiments": {"benchmarks", "tests"},
    }
    for package, others in forbidden.items():
        for file in (root / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    names = [node.module or ""]
                tops = {name.partition(".")[0] for name in names}
                assert not tops & others, file
