"""The thesis's published numbers, and where they contradict themselves.

`thesis.csv` has the figures of tables 3.5–3.11 and C.1: the mean over three runs of the
average last loss and of the test accuracy in percent.
"""

import csv
import dataclasses
import functools
import math
from pathlib import Path

CLASSES = {"cifar10": 10, "cifar100": 100}
RUNS, TEST_IMAGES = 3, 10_000  # runs per mean (section 3.2.2), and CIFAR's test images


@dataclasses.dataclass(frozen=True)
class Published:
    """One row of one published table."""

    table: str
    dataset: str
    model: str
    optimizer: str  # "sgd-swa" in table C.1
    arm: str
    average_last_loss: float
    test_accuracy: float
    digits: str  # the accuracy as printed

    @property
    def contradictions(self) -> list[str]:
        """What is impossible in this row, in words."""
        words = []
        chance = math.log(CLASSES[self.dataset])
        if (
            abs(self.average_last_loss - chance) < 0.005
            and self.test_accuracy > 200 / CLASSES[self.dataset]
        ):
            words.append(
                f"a mean loss of {self.average_last_loss:.2f} is that of guessing "
                f"(ln {CLASSES[self.dataset]}), the accuracy is not"
            )
        if not self._is_a_mean_of_three():
            words.append(
                f"{self.digits}% is not a mean of {RUNS} accuracies on "
                f"{TEST_IMAGES:,} images"
            )
        return words

    def _is_a_mean_of_three(self) -> bool:
        """Whether some number of correct answers rounds or truncates to the digits."""
        decimals = len(self.digits.partition(".")[2])
        step = 100 / (RUNS * TEST_IMAGES)
        nearest = round(self.test_accuracy / step)
        # Rounding changes a figure by half a unit in the last place, truncation by a
        # whole one.
        return any(
            -0.5001 * 10**-decimals
            <= number * step - self.test_accuracy
            < 1.0001 * 10**-decimals
            for number in (nearest, nearest + 1)
        )


@functools.cache
def published() -> dict[tuple[str, str, str, str], Published]:
    """Every published row by (data set, model, optimizer, arm)."""
    with open(
        Path(__file__).with_name("thesis.csv"), newline="", encoding="utf-8"
    ) as file:
        rows = [
            Published(
                **{name: row[name] for name in _NAMES},
                average_last_loss=float(row["average_last_loss"]),
                test_accuracy=float(row["test_accuracy"]),
                digits=row["test_accuracy"],
            )
            for row in csv.DictReader(file)
        ]
    return {(r.dataset, r.model, r.optimizer, r.arm): r for r in rows}


_NAMES = ("table", "dataset", "model", "optimizer", "arm")
