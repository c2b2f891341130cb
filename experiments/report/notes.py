"""What a reader must know about a table: notes below it, and marks in it."""

import math

import pandas as pd

from experiments.config.arms import BASE
from experiments.report import statistics

DETECTED = 1.0  # point of test accuracy
PAIRS = f"Pairs to detect {DETECTED:g} point"


def notes(summary: pd.DataFrame) -> list[str]:
    """What a reader must know about the table: its figures' meaning and limits."""
    lines = [
        "Mean ± standard deviation over the n seeds. Average last loss: the mean over "
        "the last complete window of 20 mini-batches. The difference is the arm's test "
        "accuracy minus the plain optimizer's over the same seeds, in points, "
        "with a 95% interval and the p of a sign-flip test, adjusted by Holm over the "
        "table; the answer is yes or no only if p is below 0.05."
    ]
    if "pairs_needed" in summary:
        lines.append(
            f"{PAIRS}: how many seeds a paired t test needs "
            "to detect such a difference with 80% power, if the differences spread as "
            "they do here."
        )
    if "pairs" in summary:
        fewest = summary["pairs"].min()
        if statistics.smallest_p(int(fewest)) >= 1 - statistics.CONFIDENCE:
            lines.append(
                f"n = {fewest:.0f} is too small to tell: a sign-flip test of so few "
                f"pairs cannot give a p below "
                f"{statistics.smallest_p(int(fewest)):.3g}, whatever the differences."
            )
        mixed = summary[(summary["apart_n"] < summary["pairs"])]
        for row in mixed.to_dict("records"):
            words = "in every pair a run collapsed"
            if row["apart_n"]:
                words = (
                    f"over the {row['apart_n']:.0f} of its pairs without a collapse "
                    f"the difference is {row['apart_difference']:+.2f}"
                )
            p = f"McNemar's p of the collapses {row['collapse_p']:.3g}"
            lines.append(f"{row['name']}: {words}; {p}.")
    lines += _notes_on_bases(summary)
    lines += [f"{mark} {doubt}." for doubt, mark in doubt_marks(summary).items()]
    return lines


def _notes_on_bases(summary: pd.DataFrame) -> list[str]:
    lines = []
    compared = summary[summary["arm"] != BASE.name].to_dict("records")
    for row in compared:
        base_rate = row.get("base_rate", math.nan)
        plain = (summary["arm"] == BASE.name) & (
            summary["optimizer"] == row["optimizer"]
        )
        if math.isnan(base_rate) and plain.any():
            lines.append(
                f"{row['name']}: there is no plain run with its momentum, weight decay "
                "and learning rate to compare it with."
            )
        elif not math.isnan(base_rate) and base_rate != row["rate"]:
            lines.append(
                f"{row['name']} has a learning rate of {row['rate']:g}, the plain "
                f"optimizer that it is compared with one of {base_rate:g}."
            )
    return lines


def has_thesis(summary: pd.DataFrame) -> bool:
    return "thesis_accuracy" in summary


def doubt_marks(summary: pd.DataFrame) -> dict[str, str]:
    """A footnote mark for each impossible statement of a published row."""
    if not has_thesis(summary):
        return {}
    doubts = dict.fromkeys(d for d in summary["thesis_doubt"].dropna() if d)
    return dict(zip(doubts, "†‡§¶‖"))
