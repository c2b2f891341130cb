"""The process is set up by commands alone: a library call leaves it as it was."""

import json
import subprocess
import sys

_SCRIPT = """
import json, os, sys, warnings
import jax
from pathlib import Path
from experiments.config.execution import Execution
from experiments.config.options import Protocol
from experiments.machine.setup import set_up
from experiments.runs import sweep

def seen():
    return {
        "environment": dict(os.environ),
        "filters": [str(f) for f in warnings.filters],
        "cache": jax.config.jax_compilation_cache_dir,
        "least": jax.config.jax_persistent_cache_min_compile_time_secs,
        "cores": sorted(os.sched_getaffinity(0)),
        "xla_caches": jax.config.jax_persistent_cache_enable_xla_caches,
    }

out = Path(sys.argv[1])
protocol = Protocol(epochs=1, limit_train=32, batch_size=32)
run = protocol.run("digits", "simple_cnn", "sgd", "base", 0)
sweep.run_all([run], out / "first", Execution())  # what it imports may do as it likes
before = seen()
sweep.run_all([run], out / "second", Execution())
after = seen()
set_up(Execution(cache_dir=out / "cache"))
print(json.dumps([before, after, seen()]))
"""


def test_a_sweep_changes_nothing_in_the_process(tmp_path, monkeypatch):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    run = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    before, after, set_up = json.loads(run.stdout.splitlines()[-1])
    assert before == after
    assert before["cache"] is None
    assert set_up["cache"] == str(tmp_path / "cache" / "compiled")
    # In it XLA keeps what it has tuned on a GPU: JAX's default.
    assert "autotune_cache_dir" in set_up["xla_caches"]
    assert len(set_up["filters"]) == len(before["filters"]) + 1
