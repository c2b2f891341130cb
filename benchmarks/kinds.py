"""What kind of work an operation is: XLA's instructions and PyTorch's operators."""

import re
from collections.abc import Mapping

CONVOLUTION = "convolution"
PRODUCT = "matrix product"
REDUCTION = "sums, norms, pooling"
ELEMENTWISE = "elementwise"
COPY = "copies, transposes"
OTHER = "other"
WAITING = "waiting"
KINDS = (CONVOLUTION, PRODUCT, REDUCTION, ELEMENTWISE, COPY, OTHER, WAITING)

_OPCODES = {
    COPY: """copy transpose reshape bitcast slice dynamic-slice dynamic-update-slice pad
        concatenate broadcast reverse gather iota convert""",
    REDUCTION: "reduce reduce-window select-and-scatter scatter sort",
    PRODUCT: "dot",
    CONVOLUTION: "convolution",
}
_KIND_OF = {opcode: kind for kind, text in _OPCODES.items() for opcode in text.split()}
_LEFT_OUT = (
    "parameter",
    "constant",
    "tuple",
    "get-tuple-element",
    "while",
    "conditional",
)

_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+)(?: \(.*)? \{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = .*?\s([a-z][a-z0-9\-]*)\(")
_CALLED = re.compile(r"(?:calls|to_apply)=%?([\w.\-]+)")
_TARGET = re.compile(r'custom_call_target="([^"]+)"')


def of_program(hlo: str) -> dict[str, str]:
    """The kind of each instruction of a compiled program, by its name.

    Args:
      hlo: the program as text, `compiled.as_text()`.

    A fusion is of the weightiest kind in it: a product, else a reduction, else
    elementwise arithmetic, else a copy. Loops and branches are left out: what runs in
    them has names of its own.
    """
    bodies: dict[str, list[tuple[str, str, str]]] = {}
    body: list[tuple[str, str, str]] = []
    for line in hlo.splitlines():
        if found := _COMPUTATION.match(line):
            body = bodies[found[1]] = []
        elif found := _INSTRUCTION.match(line):
            body.append((found[1], found[2], line))

    def kind(opcode: str, line: str) -> str | None:
        if opcode in _LEFT_OUT:
            return None
        if opcode in ("fusion", "call") and (called := _CALLED.search(line)):
            inside = {kind(code, text) for _, code, text in bodies[called[1]]}
            return next((k for k in KINDS if k in inside), COPY)
        if opcode == "custom-call" and (target := _TARGET.search(line)):
            return of_name(target[1], _TARGETS)
        return _KIND_OF.get(opcode, ELEMENTWISE)

    sorted_ = {
        name: kind(opcode, line)
        for instructions in bodies.values()
        for name, opcode, line in instructions
    }
    return {name: found for name, found in sorted_.items() if found is not None}


_TARGETS = {"conv": CONVOLUTION, "matmul": PRODUCT, "gemm": PRODUCT, "dot": PRODUCT}
# Sought in this order in the names of PyTorch's operators.
_OPERATORS = {
    "conv": CONVOLUTION,
    "addmm": PRODUCT,
    "aten::mm": PRODUCT,
    "matmul": PRODUCT,
    "linear": PRODUCT,
    "batch_norm": REDUCTION,
    "pool": REDUCTION,
    "sum": REDUCTION,
    "mean": REDUCTION,
    "softmax": REDUCTION,
    "nll_loss": REDUCTION,
    "copy": COPY,
    "contiguous": COPY,
    "clone": COPY,
    "aten::to": COPY,
    "empty": OTHER,
    "zero": OTHER,
    "add": ELEMENTWISE,
    "mul": ELEMENTWISE,
    "relu": ELEMENTWISE,
    "threshold": ELEMENTWISE,
    "clamp": ELEMENTWISE,
    "dropout": ELEMENTWISE,
    "bernoulli": ELEMENTWISE,
    "div": ELEMENTWISE,
}


def of_operator(name: str) -> str:
    """The kind of one of PyTorch's operators, such as aten::relu."""
    return of_name(name, _OPERATORS)


def of_name(name: str, parts: Mapping[str, str]) -> str:
    """The kind that stands at the first part that the name contains."""
    return next((kind for part, kind in parts.items() if part in name), OTHER)
