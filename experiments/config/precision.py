"""What each precision means: the network's dtype and how its products are computed."""

from typing import Literal, NamedTuple

Precision = Literal["float32", "tensorfloat32", "bfloat16"]


class Meaning(NamedTuple):
    dtype: str  # of the network's arithmetic
    products: str | None  # for jax.default_matmul_precision


# By default, XLA computes float32 products and convolutions on a GPU in TF32.
MEANINGS: dict[Precision, Meaning] = {
    "float32": Meaning("float32", "float32"),
    "tensorfloat32": Meaning("float32", "tensorfloat32"),
    "bfloat16": Meaning("bfloat16", None),
}


def arithmetic(precision: Precision, backend: str, capability: str | None) -> str:
    """The arithmetic of products and convolutions on one kind of device.

    Args:
      precision: the precision of the run.
      backend: JAX's name of the platform.
      capability: of a CUDA device, such as "9.0"; None elsewhere.
    """
    if backend == "cpu":
        rounded = precision == "bfloat16"
        return "float32, rounded to bfloat16" if rounded else "float32"
    if backend == "gpu" and precision == "tensorfloat32" and not _has_tf32(capability):
        return "float32"
    if backend not in ("cpu", "gpu") and precision != "bfloat16":
        return f"{precision} by {backend}'s bfloat16 units"
    return precision


def _has_tf32(capability: str | None) -> bool:
    """True from Ampere on; AMD's capabilities are not numbers."""
    major = (capability or "").partition(".")[0]
    return major.isdigit() and int(major) >= 8
