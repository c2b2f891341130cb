"""Options of the tables."""

import dataclasses
import math

from experiments.errors import UserError


@dataclasses.dataclass(frozen=True)
class Asked:
    """Options that affect the tables, but no run."""

    difference: float = 1.0
    """Points of test accuracy: the tables say how many pairs it takes to detect such a
    difference with 80% power."""

    def check(self) -> None:
        """Raise UserError for invalid values."""
        if not 0 < self.difference < math.inf:
            raise UserError(
                "--difference takes points greater than 0 and finite, got "
                f"{self.difference}"
            )
