"""Command line: a table of commands, each in a module that is imported only when run.

A command's module has a frozen dataclass `Config`, whose fields are the options and
whose docstring is the help, and a function `run(config) -> int | None`.
"""

import difflib
import errno
import importlib
import os
import runpy
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.commands import parsing
from experiments.errors import UserError
from experiments.machine import log
from experiments.machine.stopping import (
    INTERRUPTED,
    OUTPUT_CLOSED,
    Stopped,
    mute,
    own_process,
    tell,
)
from experiments.study.registry import STUDIES
from experiments.text import replace_what_cannot_be_shown

_TEXTS = {
    "train": "one run",
    "compare": "an optimizer with and without LM, paired by seed",
    "table": "every run of a table: digits, 3.5, 3.6, …",
    "list": "runs and studies, and their state",
    "report": "a report on finished runs, as HTML and Markdown",
    "collect": "store finished runs as rows of a study",
    "results": "the tables and pictures of results/",
    "figure": "training curves of figure 3.7, 3.9 or 3.12",
    **{name: entry.text for name, entry in STUDIES.items()},
    "figures": "the pictures of chapters 1 and 2",
}
_MODULES = {name: entry.command for name, entry in STUDIES.items()}
# name: (module, what it does)
COMMANDS: Mapping[str, tuple[str, str]] = {
    name: (_MODULES.get(name, f"experiments.commands.{name}"), text)
    for name, text in _TEXTS.items()
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `python -m experiments`; returns the exit status."""
    return dispatch("python -m experiments", COMMANDS, argv)


def dispatch(
    prog: str,
    commands: Mapping[str, tuple[str, str]],
    argv: Sequence[str] | None = None,
) -> int:
    """Find the command that argv[0] names, parse the rest into its Config, run it.

    Without argv, it is the program's, and the process is set up for the command alone.
    """
    if argv is None:
        own_process()
        argv = sys.argv[1:]
    replace_what_cannot_be_shown()
    log.begin()
    try:
        status = _run(prog, commands, argv)
        sys.stdout.flush()  # so that it fails here and not while Python exits
        return status
    except UserError as error:
        tell(f"error: {error}")
        return 2
    except Stopped as stopped:
        tell(f"{stopped}: --resume continues from here")
        return stopped.status
    except KeyboardInterrupt:
        tell("interrupted")
        return INTERRUPTED
    except OSError as error:
        if error.filename is None and error.errno in (errno.EPIPE, errno.EIO):
            mute(sys.stdout)
            return OUTPUT_CLOSED
        tell(f"error: {_plainly(error)}")
        return 2
    except Exception:
        log.LOG.info(traceback.format_exc())
        raise
    finally:
        log.end()


def _run(
    prog: str, commands: Mapping[str, tuple[str, str]], argv: Sequence[str]
) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print(_overview(prog, commands))
        return 0 if argv else 2
    if argv[0] == "--version":
        print(_versions())
        return 0
    name, *rest = argv
    if name not in commands:
        close = difflib.get_close_matches(name, commands, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        print(f"unknown command {name!r}.{hint}\n", file=sys.stderr)
        print(_overview(prog, commands), file=sys.stderr)
        return 2
    with parsing.missing_packages_named():
        module = importlib.import_module(commands[name][0])
        return module.run(parsing.parse(module.Config, rest, f"{prog} {name}")) or 0


def _plainly(error: OSError) -> str:
    """An unforeseen error: a path that vanished, is unreadable, or on a full disk."""
    reason = error.strerror or str(error) or type(error).__name__
    if error.filename is None:
        return reason
    return f"{os.fsdecode(error.filename)}: {reason}"


def _versions() -> str:
    """A line per package, without importing any of them."""
    from experiments.runs import provenance

    about = Path(__file__).parents[2] / "landmod_jax" / "_version.py"
    # The installed package may come from another checkout.
    by_package = {"landmod_jax": runpy.run_path(str(about))["__version__"]}
    installed = provenance.versions()
    by_package |= {name: v for name, v in installed.items() if name != "landmod-jax"}
    return "\n".join(f"{name} {version}" for name, version in by_package.items())


def _overview(prog: str, commands: Mapping[str, tuple[str, str]]) -> str:
    width = max((len(name) for name in commands), default=0)
    lines = [f"usage: {prog} COMMAND [OPTIONS]", "", "commands:"]
    lines += [f"  {name:<{width}}  {text}" for name, (_, text) in commands.items()]
    lines += ["", f"{prog} COMMAND --help lists a command's options,"]
    return "\n".join([*lines, f"{prog} --version what is installed."])
