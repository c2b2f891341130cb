"""What several functions of this package ask of a number."""

import math
from typing import Any

import jax


def number(
    name: str, value: Any, *, above: float = -math.inf, least: float = -math.inf
) -> None:
    """Raise ValueError unless value is finite, > above and ≥ least; tracers pass."""
    if isinstance(value, jax.core.Tracer):
        return
    try:
        fine = math.isfinite(value) and value > above and value >= least
    except TypeError:
        fine = False
    if not fine:
        wanted = ["finite"]
        if above > -math.inf:
            wanted.append(f"greater than {above:g}")
        if least > -math.inf:
            wanted.append(f"at least {least:g}")
        raise ValueError(f"{name} must be {' and '.join(wanted)}, got {value!r}")
