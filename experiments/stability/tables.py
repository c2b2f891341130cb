"""The study's tables as Markdown, from its rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments import text
from experiments.config.optimizers import OPTIMIZERS
from experiments.stability import analysis, margins
from experiments.stability.analysis import EQUIVALENT, LEVELS, RELIABLE, SURE
from experiments.stability.arms import ARMS
from experiments.stability.options import FIRST_SEED, SEEDS, Case, Config
from experiments.stability.tasks import TASKS
from experiments.study import cases, document


def tables(runs: pd.DataFrame, finished: dict[str, Any]) -> str:
    """All tables of the finished cases, and the cases of the plan that are missing."""
    runs = analysis.judged(runs)
    summary, compared = analysis.summary(runs), analysis.comparisons(runs)
    parts = ["# Stability: which learning rates train\n", _HOW_TO_READ]
    if len(overview := _overview(summary)):
        parts.append(overview)
    for task, optimizer, arms in analysis.groups(runs):
        chosen = (runs["task"] == task) & (runs["optimizer"] == optimizer)
        n = runs[chosen]["seed"].nunique()
        title = f"{TASKS[task].label}, {OPTIMIZERS[optimizer].label}"
        parts.append(f"## {title}\n")
        parts.append(f"Failed of {n} seeds, by learning rate:\n")
        parts.append(_failed(runs[chosen], list(arms)))
        parts.append(_summary(_of(summary, task, optimizer)))
        if len(compared) and len(pairs := _of(compared, task, optimizer)):
            parts.append(_comparisons(pairs))
    if FIRST_SEED in set(runs["seed"]):  # rows of an earlier plan are what they are
        parts.append(_missing(finished))
    parts.append(document.origin(finished))
    return "\n".join(parts)


_HOW_TO_READ = (
    "The `plan.md` beside our own rows fixed the questions, and how rows answer them. "
    f"A run *fails* if its test accuracy is below {LEVELS[0]}% of the plain "
    "optimizer's at its best rate. *Margin*: the learning rate at which half of the "
    "runs fail, "
    "with a 95% interval; a ratio with ≥ or ≤ is a bound, because one of its margins "
    "is off the grid. *Plateau*: failures do not rise between two successive rates at "
    f"which {margins.MIDDLE[0]:.0%} to {margins.MIDDLE[1]:.0%} of the runs fail, so "
    "half of them fail at no definite rate, and nothing is claimed. "
    f"*At {LEVELS[1]}%*, *at {LEVELS[2]}%*: the ratio if a run fails "
    "below that share. *Reliable to*: the largest rate of the grid up to which at most "
    f"{RELIABLE:.0%} of the seeds fail (no interval: {SEEDS} seeds cannot give one), "
    "and the mean accuracy there. *Chosen*: the rate with the best accuracy on "
    "held-out images; the accuracy is that on the test images there, mean ± standard "
    "deviation.\n\nA comparison says that a margin is *higher* or *lower* if it "
    f"differs with p < {SURE} (Holm over the comparisons of LM and LM after with the "
    "plain optimizer; over those with other arms; and over those of LM's shapes and "
    "thresholds with its defaults), and *equal* if the 90% interval of the ratio lies "
    f"between 1/{margins.EQUIVALENT} and {margins.EQUIVALENT}. In the same way, "
    "accuracy at the chosen rates is *better*, *worse* (sign-flip test, paired by "
    f"seed) or *equal*, within ±{EQUIVALENT:g} point (two one-sided tests at 5%, not "
    "adjusted).\n"
)


# They enclose the overview, which the documentation includes separately.
MARKS = ("<!-- overview -->", "<!-- end of the overview -->")
OVERVIEW = ("lm", "lm_after", "clip", "momo", "momo_cap", "warmup_cosine")


def _overview(summary: pd.DataFrame) -> str:
    """Each arm's margin over the plain optimizer's, for all tasks and optimizers."""
    known = summary[summary["ratio"].notna() & summary["arm"].isin(OVERVIEW)]
    if known.empty:
        return ""
    arms = [arm for arm in OVERVIEW if arm in set(known["arm"])]
    rows = []
    for (task, optimizer), pair in known.groupby(["task", "optimizer"], sort=False):
        ratios = dict(zip(pair["arm"], map(_ratio, pair["ratio"])))
        names = TASKS[task].label, OPTIMIZERS[optimizer].label
        rows.append([*names, *(ratios.get(arm, "") for arm in arms)])
    head = ("Network", "Optimizer", *(ARMS[arm].label for arm in arms))
    title = "The margin over the plain optimizer's, with its 95% interval:\n"
    return f"{title}\n{MARKS[0]}\n\n{text.table(head, rows)}\n{MARKS[1]}\n"


def _failed(runs: pd.DataFrame, arms: Sequence[str]) -> str:
    counts = runs.pivot_table(
        index="arm", columns="rate", values=analysis.PRIMARY, aggfunc="sum"
    )
    head = ["Arm", *(f"{rate:g}" for rate in counts.columns)]
    return text.table(
        head, [[ARMS[a].label, *(str(int(n)) for n in counts.loc[a])] for a in arms]
    )


_AT = tuple(f"At {level}%" for level in LEVELS[1:])
_OTHER_RATIOS = tuple(f"ratio{level}" for level in LEVELS[1:])


def _summary(summary: pd.DataFrame) -> str:
    head = (
        *("Arm", "Margin", "Over plain's", *_AT, "Reliable to", "Accuracy there"),
        *("Chosen", "Test accuracy"),
    )
    rows = [
        [
            ARMS[row["arm"]].label, _margin(row["margin"]),
            *(_ratio(row[name]) for name in ("ratio", *_OTHER_RATIOS)),
            f"{row['reliable']:g}" if row["reliable"] else "none",
            f"{row['accuracy_there']:.2f}" if row["reliable"] else "",
            f"{row['chosen']:g}", f"{row['accuracy']:.2f} ± {row['deviation']:.2f}",
        ]
        for row in summary.to_dict("records")
    ]  # fmt: skip
    return text.table(head, rows)


def _comparisons(compared: pd.DataFrame) -> str:
    head = ("Comparison", "Ratio of margins", *_AT, "Margin", "Accuracy, points")
    rows = [
        [
            f"{ARMS[row['arm']].label} against {ARMS[row['other']].label}",
            *(_ratio(row[name]) for name in ("ratio", *_OTHER_RATIOS)),
            higher(row) + ("" if row["ratio"].plateau else f" (p {text.p(row['p'])})"),
            f"{accuracy(row)} ({row['points']:+.2f}, {row['points_low']:+.2f} … "
            f"{row['points_high']:+.2f}, p {text.p(row['p_points'])})",
        ]
        for row in compared.to_dict("records")
    ]
    return text.table(head, rows)


def higher(row: Any) -> str:
    """The verdict of a comparison on the margins."""
    if row["ratio"].plateau:
        return "plateau"
    word = "higher" if row["ratio"].value > 1 else "lower"
    return text.verdict(word, row["p"], row["ratio"].p_equivalent, SURE)


def accuracy(row: Any) -> str:
    """The verdict of a comparison on the accuracy at the chosen rates."""
    word = "better" if row["points"] > 0 else "worse"
    return text.verdict(word, row["p_points"], row["p_equivalent"], SURE)


def _missing(finished: dict[str, Any]) -> str:
    tasks = {Case.named(name).task for name in finished}

    def words(case: Case) -> tuple[str, str]:
        task, optimizer = TASKS[case.task].label, OPTIMIZERS[case.optimizer].label
        return f"{task} with {optimizer}", ARMS[case.arm].label

    planned = Config(tasks=tuple(tasks)).cases()
    return cases.lacking(planned, finished, words, of=" of these tasks")


def _of(table: pd.DataFrame, task: str, optimizer: str) -> pd.DataFrame:
    return table[(table["task"] == task) & (table["optimizer"] == optimizer)]


def _margin(margin: margins.Margin) -> str:
    value, low, high = map(_rate, (margin.value, margin.low, margin.high))
    words = value if value == low == high else f"{value} ({low} … {high})"
    return f"{words}, plateau" if margin.plateau else words


def _rate(value: float) -> str:
    if value == 0:
        return "below the grid"
    return "above the grid" if np.isinf(value) else f"{value:.3g}"


def _ratio(ratio: margins.Margin | None) -> str:
    if ratio is None:
        return ""
    if np.isnan(ratio.value):
        return "both off the grid"
    bound = f"{ratio.bound} " if ratio.bound else ""
    words = f"{bound}{ratio.value:.2f} ({ratio.low:.2f} … {ratio.high:.2f})"
    return f"{words}, plateau" if ratio.plateau else words
