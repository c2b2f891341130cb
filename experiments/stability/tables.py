"""The study's tables as Markdown, from its rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments import text
from experiments.config.optimizers import OPTIMIZERS
from experiments.stability import analysis
from experiments.stability.analysis import EQUIVALENT, SURE
from experiments.stability.arms import ARMS
from experiments.stability.options import Case, Plan
from experiments.stability.tasks import TASKS
from experiments.study import cases, document


def tables(runs: pd.DataFrame, finished: dict[str, Any]) -> str:
    """All tables of the finished cases, and the cases of the plan that are missing."""
    summary = analysis.summary(runs)
    compared = pd.concat([analysis.comparisons(runs), analysis.variants(runs)])
    parts = ["# Stability: which learning rates train\n", _how_to_read()]
    if len(overview := _overview(summary)):
        parts.append(overview)
    for task, optimizer, arms in analysis.groups(runs):
        chosen = (runs["task"] == task) & (runs["optimizer"] == optimizer)
        n = runs[chosen]["seed"].nunique()
        title = f"{TASKS[task].label}, {OPTIMIZERS[optimizer].label}"
        parts.append(f"## {title}\n")
        parts.append(f"Collapsed of {n} seeds, by learning rate:\n")
        parts.append(_collapse(runs[chosen], list(arms)))
        parts.append(_summary(_of(summary, task, optimizer)))
        if len(compared) and len(pairs := _of(compared, task, optimizer)):
            parts.append(_comparisons(pairs))
    parts.append(_missing(finished))
    parts.append(document.origin(finished))
    return "\n".join(parts)


def _how_to_read() -> str:
    return (
        "We fixed the questions, and how the rows answer them, beforehand (`plan.md`). "
        "*Margin*: the learning rate up to which at most 5% of seeds collapse, with a "
        "90% bootstrap interval over seeds; a ratio with ≥ or ≤ is a bound, because "
        "one of its margins is off the grid. *Chosen*: the rate with the best accuracy "
        "on held-out images; the accuracy is that on the test images there, mean ± "
        "standard deviation.\n\nA comparison says *fewer* or *more* collapses if the "
        "share of the rates at which a seed collapses differs with p < "
        f"{SURE} (sign-flip test, paired by seed, Holm over all comparisons on this "
        "page; those of LM's shapes and thresholds with its defaults are a separate "
        "family), and likewise *better* or *worse* accuracy at the chosen rates. It "
        f"says *equal* if the accuracy lies within ±{EQUIVALENT:g} point (two "
        "one-sided tests at 5%, not adjusted). The last column: how many seeds it "
        "takes to detect such a difference in accuracy with 80% power.\n"
    )


# They enclose the overview, which the documentation includes separately.
MARKS = ("<!-- overview -->", "<!-- end of the overview -->")
OVERVIEW = ("lm", "lm_after", "clip", "momo")


def _overview(summary: pd.DataFrame) -> str:
    """Each arm's margin over the plain optimizer's, for all tasks and optimizers."""
    known = summary[summary["ratio_low"].notna() & summary["arm"].isin(OVERVIEW)]
    if known.empty:
        return ""
    rows = []
    for (task, optimizer), pair in known.groupby(["task", "optimizer"], sort=False):
        ratios = {row["arm"]: _ratio(row, "ratio") for row in pair.to_dict("records")}
        names = TASKS[task].label, OPTIMIZERS[optimizer].label
        rows.append([*names, *(ratios.get(arm, "") for arm in OVERVIEW)])
    head = ("Network", "Optimizer", *(ARMS[arm].label for arm in OVERVIEW))
    title = "The margin over the plain optimizer's, with its 90% interval:\n"
    return f"{title}\n{MARKS[0]}\n\n{text.table(head, rows)}\n{MARKS[1]}\n"


def _collapse(runs: pd.DataFrame, arms: Sequence[str]) -> str:
    counts = runs.pivot_table(
        index="arm", columns="rate", values="collapsed", aggfunc="sum"
    )
    head = ["Arm", *(f"{rate:g}" for rate in counts.columns)]
    return text.table(
        head, [[ARMS[a].label, *(str(int(n)) for n in counts.loc[a])] for a in arms]
    )


def _summary(summary: pd.DataFrame) -> str:
    head = ("Arm", "Margin", "Over plain's", "Chosen", "Test accuracy", "Collapsed")
    rows = [
        [
            ARMS[row["arm"]].label, _margin(row),
            "" if np.isnan(row["ratio_low"]) else _ratio(row, "ratio"),
            f"{row['chosen']:g}", f"{row['accuracy']:.2f} ± {row['deviation']:.2f}",
            str(row["collapsed"]),
        ]
        for row in summary.to_dict("records")
    ]  # fmt: skip
    return text.table(head, rows)


def _comparisons(compared: pd.DataFrame) -> str:
    pairs = f"Pairs to detect {EQUIVALENT:g} point"
    head = ("Comparison", "Ratio of margins", "Collapses", "Accuracy, points", pairs)
    rows = [
        [
            f"{ARMS[row['arm']].label} against {ARMS[row['other']].label}",
            _ratio(row, "ratio"),
            f"{collapses(row)} ({100 * row['collapse']:+.1f}%, "
            f"p {text.p(row['p_collapse'])})",
            f"{accuracy(row)} ({row['points']:+.2f}, {row['points_low']:+.2f} … "
            f"{row['points_high']:+.2f}, p {text.p(row['p_points'])})",
            # pandas makes None a NaN in a column with numbers.
            "more than a million" if pd.isna(row["pairs"]) else f"{row['pairs']:.0f}",
        ]
        for row in compared.to_dict("records")
    ]
    return text.table(head, rows)


def collapses(row: Any) -> str:
    """The verdict of a comparison on how often runs collapse."""
    if not row["p_collapse"] < SURE:
        return "cannot tell"
    return "**fewer**" if row["collapse"] < 0 else "**more**"


def accuracy(row: Any) -> str:
    """The verdict of a comparison on the accuracy at the chosen rates."""
    equal = row["p_equivalent"] < SURE
    if row["p_points"] < SURE:
        word = "better" if row["points"] > 0 else "worse"
        return f"{word}, yet equal" if equal else f"**{word}**"
    return "equal" if equal else "cannot tell"


def _missing(finished: dict[str, Any]) -> str:
    tasks = {Case.named(name).task for name in finished}

    def words(case: Case) -> tuple[str, str]:
        task, optimizer = TASKS[case.task].label, OPTIMIZERS[case.optimizer].label
        return f"{task} with {optimizer}", ARMS[case.arm].label

    planned = Plan(tasks=tuple(tasks)).cases()
    return cases.lacking(planned, finished, words, of=" of these tasks")


def _of(table: pd.DataFrame, task: str, optimizer: str) -> pd.DataFrame:
    return table[(table["task"] == task) & (table["optimizer"] == optimizer)]


def _margin(row: dict[Any, Any]) -> str:
    value, low, high = (_rate(row[name]) for name in ("margin", "low", "high"))
    return value if value == low == high else f"{value} ({low} … {high})"


def _rate(value: float) -> str:
    if value == 0:
        return "below the grid"
    return "above the grid" if np.isinf(value) else f"{value:.3g}"


def _ratio(row: dict[Any, Any], name: str) -> str:
    value, low, high = (row[name + end] for end in ("", "_low", "_high"))
    if np.isnan(value):
        return "both off the grid"
    if row[name + "_bound"]:
        return f"{row[name + '_bound']} {value:.2f} ({low:.2f} … {high:.2f})"
    return f"{value:.2f} ({low:.2f} … {high:.2f})"
