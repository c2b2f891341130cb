"""Reads a compiled program's text: its kernels, and the bytes that each moves."""

import collections
import math
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

# Instructions that name a value and run no kernel.
_FREE = {
    "after-all",
    "bitcast",
    "constant",
    "copy-done",
    "fusion-done",
    "get-tuple-element",
    "parameter",
    "tuple",
}
_INSTRUCTION = re.compile(r"\s*(?:ROOT )?(%[\w.\-]+) = (\(.*?\)|\S+) ([\w\-]+)\((.*)")
_SHAPE = re.compile(r"\b(pred|bf16|[a-z]+\d+)(?:e\d\w*)?\[([\d,]*)\]")


class Kind(NamedTuple):
    """The totals of the kernels of one kind."""

    kernels: int
    bytes: int  # inputs and outputs of each once, caches aside


class _Instruction(NamedTuple):
    name: str
    bytes: int  # of its result
    kind: str
    operands: tuple[str, ...]
    text: str  # what follows its operands' opening parenthesis

    def attribute(self, name: str) -> str:
        match = re.search(rf'\b{name}="?([^",\s]+)', self.text)
        return match[1] if match else ""


_Computation = list[_Instruction]


def by_kind(text: str) -> dict[str, Kind]:
    """The kernels of one step: of the body of the program's largest loop.

    A loop inside it counts once per iteration.

    Args:
      text: a compiled program, as XLA prints it.

    Returns:
      Each kind of instruction, or target of a custom call, the most bytes first.
    """
    # Tables of files and stack frames precede the first computation.
    _, *parts = re.split(r"\n(?=%|ENTRY)", text)
    program = dict(map(_computation, parts))
    every = (one for computation in program.values() for one in computation)
    loops = [_kinds(program, i.attribute("body")) for i in every if i.kind == "while"]
    largest = max(loops, key=lambda kinds: sum(k.kernels for k in kinds.values()))
    ordered = sorted(largest.items(), key=lambda item: -item[1].bytes)
    return dict(ordered)


def size(shape: str) -> int:
    """Bytes of an array's or a tuple's shape, such as "(f32[2,3]{1,0}, s32[])"."""
    return sum(
        _bytes(dtype) * math.prod(int(n) for n in dims.split(",") if n)
        for dtype, dims in _SHAPE.findall(shape)
    )


def _bytes(dtype: str) -> int:
    return 1 if dtype == "pred" else int(re.sub(r"\D", "", dtype)) // 8


def _computation(text: str) -> tuple[str, _Computation]:
    name = text.removeprefix("ENTRY ").split(" ", 1)[0]
    return name, list(_instructions(text))


def _instructions(text: str) -> Iterator[_Instruction]:
    for line in text.splitlines():
        if match := _INSTRUCTION.match(line):
            name, shape, kind, rest = match.groups()
            operands = re.findall(r"%[\w.\-]+", re.split(r"\)(?:, |$)", rest)[0])
            yield _Instruction(name, size(shape), kind, tuple(operands), rest)


def _kinds(program: Mapping[str, _Computation], name: str) -> dict[str, Kind]:
    """The kernels of a computation, by kind."""
    kernels: collections.Counter[str] = collections.Counter()
    moved: collections.Counter[str] = collections.Counter()

    def add(kind: str, found: Kind, times: int = 1) -> None:
        kernels[kind] += times * found.kernels
        moved[kind] += times * found.bytes

    sizes = {i.name: i.bytes for i in program[name]}
    for one in program[name]:
        if one.kind == "while":
            trips = re.search(r'"known_trip_count":\{"n":"(\d+)"', one.text)
            for kind, found in _kinds(program, one.attribute("body")).items():
                add(kind, found, int(trips[1]) if trips else 1)
        elif one.kind == "call":  # such as a command buffer
            for kind, found in _kinds(program, one.attribute("to_apply")).items():
                add(kind, found)
        elif one.kind not in _FREE:
            reads = sum(sizes.get(operand, 0) for operand in one.operands)
            kind = one.attribute("custom_call_target") or one.kind
            add(kind, Kind(1, reads + one.bytes))
    return {kind: Kind(kernels[kind], moved[kind]) for kind in kernels}
