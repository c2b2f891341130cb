"""--help, made from a command's Config: its options in groups, with their defaults.

A field's docstring is its help. If the default value is only a placeholder, such as
None, the docstring ends in "; by default, WORDS.". A class's `group` is the heading of
the options that it declares.
"""

import ast
import dataclasses
import inspect
import re
import shutil
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

UNGROUPED = "options"
_WIDEST = 88
_COLUMN = 26  # of the help texts, if the terminal is wide enough
_INDENT = 6  # of the help texts below their options, if it is not
_WORDS = {int: "INT", float: "NUMBER", str: "TEXT", Path: "PATH"}


class Option(NamedTuple):
    """One option or positional argument."""

    group: str
    flags: str  # as typed: --seeds INT [INT ...]
    text: str  # what it does, then its choices and its default
    positional: bool


def render(config_class: type, prog: str, width: int | None = None) -> str:
    """The whole help text, at most `width` columns wide (by default the terminal's)."""
    width = min(width or shutil.get_terminal_size().columns, _WIDEST)
    listed = list(options(config_class))
    arguments = "".join(f"{option.flags} " for option in listed if option.positional)
    parts = [textwrap.fill(f"usage: {prog} {arguments}[OPTIONS]", width)]
    for paragraph in (ast.get_docstring(_source(config_class)) or "").split("\n\n"):
        parts.append(textwrap.fill(" ".join(paragraph.split()), width))
    if example := getattr(config_class, "example", None):
        parts.append("example:\n" + _command(example, width))
    groups: dict[str, list[Option]] = {}
    for option in listed:
        groups.setdefault("arguments" if option.positional else option.group, [])
        groups["arguments" if option.positional else option.group].append(option)
    help_ = Option(UNGROUPED, "-h, --help", "Show this and exit.", False)
    groups.setdefault(UNGROUPED, []).append(help_)
    for title, members in groups.items():
        lines = [_entry(option, width) for option in members]
        parts.append("\n".join([f"{title}:", *lines]))
    return "\n\n".join(parts)


def options(config_class: type) -> Iterator[Option]:
    """The options of a Config, class by class, the command's own ones first."""
    hints = get_type_hints(config_class, include_extras=True)
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    seen: set[str] = set()
    for base in config_class.__mro__:
        if not dataclasses.is_dataclass(base):
            continue
        texts = _docstrings(base)
        for name in inspect.get_annotations(base):
            if name in fields and name not in seen:
                seen.add(name)
                group = base.__dict__.get("group", UNGROUPED)
                yield _option(fields[name], hints[name], texts.get(name, ""), group)


def _option(field: Any, hint: Any, docstring: str, group: str) -> Option:
    import tyro

    positional = False
    if get_origin(hint) is typing.Annotated:
        positional = tyro.conf.Positional in hint.__metadata__
        hint = get_args(hint)[0]
    metavar, choices = _metavar(field.name, hint)
    text, _, default = docstring.partition("; by default, ")
    text = text.rstrip(".") + "."
    if choices:
        text += f" Choices: {', '.join(choices)}."
    default = default.rstrip(".") or _default(field, hint)
    if default:
        text += f" (default: {default})"
    flag = "--" + field.name.replace("_", "-")
    flags = f"{flag} {metavar}".rstrip()
    if positional:
        flags = metavar if field.default is dataclasses.MISSING else f"[{metavar}]"
    elif field.default is dataclasses.MISSING:
        text += " Required."
    elif _is_switch(hint) and field.default is not False:
        flags = f"{flag}, --no-{flag[2:]}"
    return Option(group, flags, text, positional)


def _metavar(name: str, hint: Any) -> tuple[str, tuple[str, ...]]:
    """The placeholder for an option's value, and choices if they need a sentence."""
    if _is_switch(hint):
        return "", ()
    (kind, *_) = [kind for kind in _alternatives(hint) if kind is not type(None)]
    if get_origin(kind) is tuple:
        one, choices = _metavar(name.removesuffix("s"), get_args(kind)[0])
        return f"{one} [{one} ...]", choices
    if get_origin(kind) is Literal:
        choices = tuple(map(str, get_args(kind)))
        short = "{" + ",".join(choices) + "}"
        if len(short) <= _COLUMN:
            return short, ()
        return name.upper().replace("_", "-"), choices
    return _WORDS[kind], ()


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def _is_switch(hint: Any) -> bool:
    return bool in _alternatives(hint)


def _default(field: Any, hint: Any) -> str:
    """The default value as one types it; nothing for a switch that is off."""
    value = field.default
    if value is dataclasses.MISSING or value is False or value is None or value == ():
        return ""
    if value is True:
        return "on"
    values = value if isinstance(value, tuple) else (value,)
    return " ".join(f"{x:g}" if isinstance(x, float) else str(x) for x in values)


def _docstrings(config_class: type) -> Mapping[str, str]:
    """The docstring below each field of a class, on one line."""
    tree = _source(config_class)
    texts = {}
    for node, following in zip(tree.body, tree.body[1:]):
        if not (isinstance(node, ast.AnnAssign) and isinstance(following, ast.Expr)):
            continue
        text = getattr(following.value, "value", None)
        if isinstance(node.target, ast.Name) and isinstance(text, str):
            texts[node.target.id] = " ".join(text.split())
    return texts


def _source(config_class: type) -> ast.ClassDef:
    """The class as it is written: Python drops docstrings with -OO."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(config_class))).body
    assert isinstance(tree, ast.ClassDef)
    return tree


def _entry(option: Option, width: int) -> str:
    column = _COLUMN if width >= 80 else _INDENT
    head = f"  {option.flags}"
    fill = {"break_on_hyphens": False, "break_long_words": False}
    text = textwrap.fill(
        option.text,
        width,
        initial_indent=" " * column,
        subsequent_indent=" " * column,
        **fill,  # type: ignore[arg-type]
    )
    if len(head) + 2 <= column:
        return head + text[len(head) :]
    wrapped = textwrap.fill(
        option.flags,
        width,
        initial_indent="  ",
        subsequent_indent=" " * column,
        **fill,  # type: ignore[arg-type]
    )
    return f"{wrapped}\n{text}"


def _command(command: str, width: int) -> str:
    """A command line that can be copied even when it spans several lines."""
    pieces = re.split(r" (?=--)", command)
    lines, line = [], "  " + pieces[0]
    for piece in pieces[1:]:
        if len(line) + len(piece) + 3 > width:
            lines.append(line + " \\")
            line = "    " + piece
        else:
            line += " " + piece
    return "\n".join([*lines, line])
