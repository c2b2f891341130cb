"""Entry point of `python -m experiments`."""

from experiments.commands.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
