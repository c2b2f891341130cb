"""The study's tables as Markdown, from its rows."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from experiments import text
from experiments.batches import analysis
from experiments.batches.analysis import EQUIVALENT, SURE
from experiments.batches.networks import NETWORKS
from experiments.batches.options import FAULTS, RARE, SCENARIOS, Case, Config
from experiments.batches.remedies import OURS, REMEDIES, RIVALS
from experiments.config.optimizers import OPTIMIZERS
from experiments.study import cases, document

# They enclose the overview, which the documentation includes separately.
MARKS = ("<!-- overview -->", "<!-- end of the overview -->")


def tables(runs: pd.DataFrame, finished: dict[str, Any]) -> str:
    """All tables of the finished cases, and the cases of the plan that are missing."""
    compared = {x: analysis.comparisons(runs, x) for x in (EQUIVALENT, 0.0)}
    changed = analysis.defaults(runs)
    parts = ["# Bad and rare batches\n", _how_to_read()]
    if len(compared[EQUIVALENT]):
        parts += ["## The frontiers\n", _overview(compared[EQUIVALENT]), _frontiers()]
        for margin, table in compared.items():
            parts += [f"### With a margin of {margin:g} points\n", _comparisons(table)]
    if len(changed):
        parts += ["## What the defaults change\n", _defaults(changed)]
    for network, optimizer, of_group in analysis.groups(runs):
        name = _name(network, optimizer)
        scenarios = [x for x in SCENARIOS if (of_group["scenario"] == x).any()]
        if "rates" in scenarios:
            parts += [f"## {name}: learning rates\n", _rates(of_group)]
        scenarios = [x for x in scenarios if x != "rates"]
        if scenarios:
            parts += [f"## {name}\n", _accuracies(of_group, scenarios)]
        marked = [x for x in scenarios if _left(of_group, x) is not None]
        if marked:
            parts += [f"## {name}: what is left of the gradient\n"]
            parts += [_lefts(of_group, marked)]
    parts += [_missing(finished), document.origin(finished)]
    return "\n".join(parts)


def _how_to_read() -> str:
    return (
        "The `plan.md` beside our own rows fixed the questions, and how rows answer "
        "them. Accuracy is that on the test images at the end of a run; where "
        "rare classes have batches of their own, it is that on the test "
        "images of these classes. "
        "Strengths go from the one that intervenes most to the one that intervenes "
        "least. For LM, k is that of f(u) = k·u.\n"
    )


def _name(network: str, optimizer: str) -> str:
    return f"{NETWORKS[network].label}, {OPTIMIZERS[optimizer].label}"


def _comparisons(compared: pd.DataFrame) -> str:
    rows = [
        [
            _name(row["network"], row["optimizer"]),
            f"{REMEDIES[row['arm']].label} {row['strength']:g}",
            REMEDIES[row["other"]].label,
            f"{row['distance']:+.2f} (> {row['low']:.2f})",
            text.p(row["p"]),
            text.p(row["adjusted"]),
            "**outside**" if row["adjusted"] < SURE else "",
        ]
        for row in compared.to_dict("records")
    ]
    head = ("Network", "Arm", "Against all of", "Distance", "p", "Holm", "Verdict")
    return text.table(head, rows)


def _overview(compared: pd.DataFrame) -> str:
    """LM against each rival, both ways in one cell."""
    outside = {
        tuple(row[name] for name in ("network", "optimizer", "arm", "other")): (
            row["adjusted"] < SURE
        )
        for row in compared.to_dict("records")
    }
    rows = []
    for network, optimizer, of_group in analysis.groups(compared):
        for ours in (arm for arm in OURS if arm in set(of_group["arm"])):
            cells = []
            for rival in RIVALS:
                key = network, optimizer, ours, rival
                back = network, optimizer, rival, ours
                known = key in outside
                cells.append(VERDICTS[outside[key], outside[back]] if known else "")
            rows.append([_name(network, optimizer), REMEDIES[ours].label, *cells])
    head = ("Network", "Arm", *(REMEDIES[rival].label for rival in RIVALS))
    return f"{MARKS[0]}\n\n{text.table(head, rows)}\n{MARKS[1]}\n"


# By whether LM's frontier has a point outside the rival's, and the other way round.
VERDICTS = {
    (True, False): "**LM outside**",
    (False, True): "rival outside",
    (True, True): "each outside",
    (False, False): "cannot tell",
}


def _frontiers() -> str:
    return (
        f"A strength is *outside* another arm's frontier if every strength of that arm "
        f"is worse by more than the margin, either under faults "
        f"({SCENARIOS[FAULTS].label}) or on rare classes ({SCENARIOS[RARE].label}). "
        "Every third seed chooses the strength; the others test it (adjusted by Holm "
        "over each table). *Distance*: by how many points the closest strength is "
        "worse, with its one-sided 95% bound.\n"
    )


def _defaults(changed: pd.DataFrame) -> str:
    scenarios = [x for x in SCENARIOS if x in set(changed["scenario"])]
    by_key = changed.set_index(["network", "optimizer", "arm", "scenario"])
    rows = []
    for network, optimizer, of_group in analysis.groups(changed):
        for arm in (x for x in REMEDIES if x in set(of_group["arm"])):
            key = (network, optimizer, arm)
            cells = [
                _change(by_key.loc[(*key, x)]) if (*key, x) in by_key.index else ""
                for x in scenarios
            ]
            default = f"{REMEDIES[arm].label} {REMEDIES[arm].default:g}"
            rows.append([_name(network, optimizer), default, *cells])
    head = ("Network", "Arm", *(SCENARIOS[x].label for x in scenarios))
    return (
        "Points of accuracy against the plain optimizer, with the 95% interval. Bold: "
        f"p < {SURE} (sign-flip test, paired by seed, Holm over this table). *equal*: "
        f"within ±{EQUIVALENT:g} points (two one-sided tests at 5%, not adjusted)."
        f"\n\n{text.table(head, rows)}"
    )


def _change(row: Any) -> str:
    shown = f"{row['mean']:+.2f}"
    if row["adjusted"] < SURE:
        shown = f"**{shown}**"
    equal = ", equal" if row["p_equivalent"] < SURE else ""
    return f"{shown} ({row['low']:.2f} … {row['high']:.2f}){equal}"


def _rates(of_group: pd.DataFrame) -> str:
    runs = of_group[of_group["scenario"] == "rates"]
    means = runs.groupby("strength")["held_out_accuracy"].agg(["mean", "count"])
    rows = [
        [f"{rate:g}", f"{row['mean']:.2f}", f"{row['count']:.0f}"]
        for rate, row in means.iterrows()
    ]
    return text.table(("Learning rate", "Held-out accuracy", "Seeds"), rows)


def _accuracies(of_group: pd.DataFrame, scenarios: Sequence[str]) -> str:
    tables = {x: analysis.accuracies(of_group, x) for x in scenarios}

    def cell(table: pd.DataFrame, key: tuple[str, float]) -> str:
        if key not in table.index:
            return ""
        own = table.loc[key]
        return f"{own.mean():.2f} ± {own.std():.2f}"

    rows = [
        [label, *(cell(table, key) for table in tables.values())]
        for label, key in _arms(of_group)
    ]
    seeds = {x: table.shape[1] for x, table in tables.items()}
    head = ("Arm", *(f"{SCENARIOS[x].label} ({seeds[x]})" for x in scenarios))
    return (
        "Accuracy in percent, mean ± standard deviation over seeds (how many).\n\n"
        f"{text.table(head, rows)}"
    )


def _arms(of_group: pd.DataFrame) -> list[tuple[str, tuple[str, float]]]:
    arms = [("plain", ("base", 0.0))]
    for arm in (x for x in REMEDIES if x != "base"):
        for strength in analysis.strengths(of_group, arm):
            arms.append((f"{REMEDIES[arm].label} {strength:g}", (arm, strength)))
    return arms


def _left(of_group: pd.DataFrame, scenario: str) -> pd.DataFrame | None:
    runs = of_group[of_group["scenario"] == scenario]
    means = runs.groupby(["arm", "strength"])[["left_marked", "left_others"]].mean()
    means = means.dropna()
    return means if len(means) else None


def _lefts(of_group: pd.DataFrame, scenarios: Sequence[str]) -> str:
    tables = {x: _left(of_group, x) for x in scenarios}

    def cell(table: Any, key: tuple[str, float]) -> str:
        if key not in table.index:
            return ""
        marked, others = table.loc[key]
        return f"{marked:.3g} / {others:.3g}"

    rows = [
        [label, *cells]
        for label, key in _arms(of_group)
        if any(cells := [cell(table, key) for table in tables.values()])
    ]
    return (
        "The mean share of the gradient norm that an arm ahead of the optimizer "
        "leaves: of bad or rare batches / of the others.\n\n"
        f"{text.table(('Arm', *(SCENARIOS[x].label for x in scenarios)), rows)}"
    )


def _missing(finished: dict[str, Any]) -> str:
    def words(case: Case) -> tuple[str, str]:
        return _name(case.network, case.optimizer), SCENARIOS[case.scenario].label

    return cases.lacking(list(Config().cases()), finished, words)
