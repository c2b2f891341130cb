"""From a command line to a command's Config: the rules for all options.

Paths expand `~`, numbers are finite, and lists have no duplicates. A field's docstring
is its help; if the default value is only a placeholder, such as None, it ends in
"; by default, WORDS.".
"""

import contextlib
import dataclasses
import inspect
import math
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from experiments.errors import UserError


def parse(config_class: type, args: Sequence[str], prog: str) -> Any:
    """A Config from the options `args`; --help and what tyro rejects end the program.

    Raises:
      UserError: a value is one that no command accepts.
    """
    import tyro

    about = inspect.getdoc(config_class) or ""
    if example := getattr(config_class, "example", None):
        about += f"\n\nexample: {example}"
    registry = tyro.constructors.ConstructorRegistry()
    registry.struct_rule(_options)
    config: Any = tyro.cli(
        config_class,
        args=args,
        prog=prog,
        description=about,
        registry=registry,
    )
    changes = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        values = value if isinstance(value, tuple) else (value,)
        _check(field, values)
        expanded = tuple(_expanded(x) if isinstance(x, Path) else x for x in values)
        if expanded != values:
            changes[field.name] = expanded if isinstance(value, tuple) else expanded[0]
    return dataclasses.replace(config, **changes)


def _options(info: Any) -> Any:
    """The fields of a Config for tyro, the command's own ones first."""
    import docstring_parser
    import tyro

    config_class: type = info.type
    if not dataclasses.is_dataclass(config_class):
        return None
    hints = get_type_hints(config_class, include_extras=True)
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    options: dict[str, Any] = {}
    for base in filter(dataclasses.is_dataclass, config_class.__mro__):
        for param in docstring_parser.parse_from_object(base).params:
            if param.arg_name in fields:
                field = fields.pop(param.arg_name)
                hint = hints[field.name]
                options[field.name] = _option(field, hint, param.description or "")
    assert not fields, f"{config_class} has options without docstrings: {[*fields]}"
    return tyro.constructors.StructConstructorSpec(config_class, (*options.values(),))


def _option(field: dataclasses.Field, hint: Any, docstring: str) -> Any:
    import tyro

    text, _, words = " ".join(docstring.split()).partition("; by default, ")
    shown = f"(default: {words.removesuffix('.')})" if words else None
    if not words and (field.default is False or field.default == ()):
        shown = ""
    about = tyro.conf.arg(
        help=f"{text.rstrip('.')}.", help_behavior_hint=shown, metavar=_metavar(hint)
    )
    required = field.default is dataclasses.MISSING
    return tyro.constructors.StructFieldSpec(
        name=field.name,
        type=Annotated[hint, about],  # type: ignore[arg-type]
        default=tyro.MISSING if required else field.default,
    )


def _metavar(hint: Any) -> str | None:
    """Without the None of an option that may be left out; None for tyro's own."""
    if not isinstance(hint, types.UnionType):
        return None
    (kind,) = set(get_args(hint)) - {types.NoneType}
    if get_origin(kind) is not tuple:
        return kind.__name__.upper()
    word = get_args(kind)[0].__name__.upper()
    return f"{word} [{word} ...]"


def _check(field: dataclasses.Field, values: tuple[Any, ...]) -> None:
    option = "--" + field.name.replace("_", "-")
    if not values and field.default != ():
        raise UserError(f"{option} needs at least one value")
    for value in values:
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{option} must be finite, got {value}")
        if values.count(value) > 1 and not isinstance(value, Path):
            raise UserError(f"{option} has {value} more than once")


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise UserError(f"{path}: {error}") from error


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
