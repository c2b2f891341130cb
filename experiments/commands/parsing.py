"""From a command line to a command's Config: the rules for all options.

Paths expand `~`, numbers are finite, and lists have at least one value and no
duplicates.
"""

import contextlib
import dataclasses
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from experiments.commands import help
from experiments.errors import UserError


def parse(config_class: type, args: Sequence[str], prog: str) -> Any:
    """A Config from the options `args`; --help and what tyro rejects end the program.

    Raises:
      UserError: a value is one that no command accepts.
    """
    import tyro

    if {"-h", "--help"} & set(args):
        print(help.render(config_class, prog))
        raise SystemExit(0)
    registry = tyro.constructors.ConstructorRegistry()

    @registry.primitive_rule
    def path(info: Any) -> Any:
        if info.type is not Path:
            return None
        return tyro.constructors.PrimitiveConstructorSpec(
            nargs=1,
            metavar="PATH",
            instance_from_str=lambda texts: to_path(texts[0]),
            is_instance=lambda value: isinstance(value, Path),
            str_from_instance=lambda value: [str(value)],
        )

    _refuse_empty_lists(config_class, args)
    config: Any = tyro.cli(config_class, args=args, prog=prog, registry=registry)
    check(config)
    return config


def to_path(text: str) -> Path:
    """A path, with `~` and `~user` expanded.

    Raises:
      ValueError: it is empty, or there is no such home directory.
    """
    if not text:
        raise ValueError("a path must not be empty")
    expanded = os.path.expanduser(text)
    # expanduser leaves an unknown `~` as it is; it would become a directory name.
    if expanded.startswith("~"):
        raise ValueError(f"there is no home directory for {text}")
    return Path(expanded)


def _refuse_empty_lists(config_class: type, args: Sequence[str]) -> None:
    lists = {
        _option(field.name)
        for field in dataclasses.fields(config_class)
        if str(field.type).startswith("tuple[")
    }
    for option, following in zip(args, [*args[1:], "--"]):
        if option.replace("_", "-") in lists and following.startswith("--"):
            raise UserError(f"{option} needs at least one value")


def check(config: Any) -> None:
    """Raise UserError for NaN, infinities, and lists that lack or repeat a value."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        values = value if isinstance(value, tuple) else (value,)
        if not values and field.default is dataclasses.MISSING:
            raise UserError(f"{field.name.upper()} needs at least one value")
        for one in values:
            if isinstance(one, float) and not math.isfinite(one):
                raise UserError(f"{_option(field.name)} must be finite, got {one}")
        twice = [one for one in values if values.count(one) > 1]
        if twice and not isinstance(twice[0], Path):
            raise UserError(f"{_option(field.name)} has {twice[0]} more than once")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


# The extra of pyproject.toml that provides a package; by default, "experiments".
EXTRAS = {
    "safetensors": "parity",
    "torch": "parity",
    "tensorflow": "data",
    "tensorflow_datasets": "data",
}


@contextlib.contextmanager
def missing_packages_named() -> Iterator[None]:
    """Raise an error that says how to install a missing package."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "experiments", "benchmarks", "models", "landmod_jax"):
            raise
        extra = EXTRAS.get(package, "experiments")
        extras = extra if extra == "experiments" else f"experiments,{extra}"
        raise UserError(
            f"{package} is not installed: run pip install '.[{extras}]' in the checkout"
        ) from error
