"""Entry point of `python -m experiments`."""

import sys

# Before anything that an older Python or another system cannot import.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(
        "error: the experiments need Python 3.11 or newer, but this is {}.{}".format(
            *sys.version_info
        )
    )
try:
    import fcntl  # noqa: F401
except ImportError:
    sys.exit(
        "error: the experiments run on Linux and macOS; on Windows, use WSL. "
        "The library, landmod_jax, runs wherever JAX does."
    )

from experiments.commands.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
