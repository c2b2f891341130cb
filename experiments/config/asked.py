"""Options of the tables."""

import dataclasses
import math
from typing import ClassVar

from experiments.errors import UserError


@dataclasses.dataclass(frozen=True)
class Asked:
    """Options that affect the tables, but no run."""

    group: ClassVar[str] = "tables"
    difference: float = 1.0
    """Points of test accuracy: the tables say how many pairs it takes to detect such a
    difference with 80% power."""
    target: float | None = None
    """Test accuracy in percent: the tables say after how many epochs it is reached; by
    default, no such column."""

    def check(self) -> None:
        """Raise UserError for invalid values."""
        if not 0 < self.difference < math.inf:
            raise UserError(
                "--difference takes points greater than 0 and finite, got "
                f"{self.difference}"
            )
        if self.target is not None and not 0 < self.target <= 100:
            raise UserError(
                "--target takes an accuracy in percent, greater than 0 and at most "
                f"100, got {self.target}"
            )
