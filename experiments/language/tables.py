"""The study's tables as Markdown, from its rows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from experiments import text
from experiments.language import analysis
from experiments.language.analysis import EQUIVALENT, SURE
from experiments.language.arms import ARMS, OPTIMIZERS
from experiments.language.models import MODELS
from experiments.language.options import Case, Config, Sizes
from experiments.language.program import SPIKE
from experiments.study import cases, document

TEXTS = {
    "shakespeare": "Tiny Shakespeare",
    "descriptions": "scikit-learn's descriptions of its data sets",
}


def heading(model: str, optimizer: str) -> str:
    label = MODELS[model].label
    return f"{label[0].upper()}{label[1:]}, {OPTIMIZERS[optimizer].label}"


def tables(runs: pd.DataFrame, parts: Mapping[str, Any], quick: bool) -> str:
    """All tables of the finished cases, and the cases of the plan that are missing."""
    plan = Config(quick=quick)
    compared = analysis.comparisons(runs)
    lines = ["# Language models over learning rates\n", _how_to_read(plan.sizes)]
    for model, optimizer, arms in analysis.groups(runs):
        n = next(iter(arms.values()))["seed"].nunique()
        lines.append(f"## {heading(model, optimizer)}\n")
        lines.append(f"Held-out loss, mean of {n} seeds, by learning rate:\n")
        lines.append(_by_rate(arms))
        lines.append(_summary(arms))
        if len(compared):
            those = compared["model"] == model
            those &= compared["optimizer"] == optimizer
            if those.any():
                lines.append(_comparisons(compared[those]))
    lines += [_missing(plan, parts), document.origin(parts)]
    return "\n".join(lines)


def _how_to_read(sizes: Sizes) -> str:
    return (
        f"{TEXTS[sizes.text]}; {sizes.steps} steps of {sizes.batch} sequences of "
        f"{sizes.shape.context} characters; losses in nats per character. The "
        "`plan.md` beside our own rows says what was fixed before. *Sensitivity*: the "
        "mean over the "
        "learning rates η of min(ℓ(η), ℓ₀) − ℓ*, where ℓ is the held-out loss after "
        "training, ℓ₀ the one before and ℓ* the best of all rates "
        "([arXiv:2309.14322](https://arxiv.org/abs/2309.14322)); less is better. "
        "*Chosen*: the rate with the best mean held-out loss; the test loss is the one "
        "there, mean ± standard deviation. *Spikes*: the share of steps whose loss is "
        f"{SPIKE:g} standard deviations above the mean of the {sizes.window} steps "
        "before, over all rates (as the spike score of "
        "[OLMo 2](https://arxiv.org/abs/2501.00656), which uses 1,000 steps and counts "
        "both directions). *Lost*: runs, over all rates, whose loss is not below the "
        "one before training; they count with that one.\n\n"
        "A comparison says *less* or *more* sensitive, and *better* or *worse*, if the "
        f"difference has p < {SURE} (sign-flip test, paired by seed, Holm over all "
        "comparisons of an optimizer). It says *equal* if the test loss at the chosen "
        f"rates lies within ±{EQUIVALENT:g} (two one-sided tests at 5%, not "
        "adjusted).\n"
    )


def _by_rate(arms: dict[str, pd.DataFrame]) -> str:
    rates = sorted({rate for part in arms.values() for rate in part["rate"]})
    rows = [
        [
            ARMS[arm].label,
            *(f"{x:.3f}" for x in analysis.losses(part, "held_out").mean(0)),
        ]
        for arm, part in arms.items()
    ]
    return text.table(("Arm", *(f"{rate:g}" for rate in rates)), rows)


def _summary(arms: dict[str, pd.DataFrame]) -> str:
    rows = []
    for arm, part in arms.items():
        row = analysis.summary(part)
        rows.append(
            [
                ARMS[arm].label,
                f"{row['sensitivity']:.3f} ± {row['sensitivity_deviation']:.3f}",
                f"{row['chosen']:g}",
                f"{row['best']:.4f} ± {row['best_deviation']:.4f}",
                f"{row['spikes']:.2f}%",
                str(row["lost"]),
                "" if np.isnan(row["scale"]) else f"{row['scale']:.2f}",
            ]
        )
    head = ("Sensitivity", "Chosen", "Test loss", "Spikes", "Lost", "Mean scale there")
    return text.table(("Arm", *head), rows)


def _comparisons(compared: pd.DataFrame) -> str:
    rows = [
        [
            f"{ARMS[row['arm']].label} against {ARMS[row['other']].label}",
            _cell(sensitivity(row), row, "sensitivity", 3),
            _cell(quality(row), row, "best", 4),
        ]
        for row in compared.to_dict("records")
    ]
    return text.table(("Comparison", "Sensitivity", "Test loss"), rows)


def _cell(verdict: str, row: Mapping[Any, Any], name: str, digits: int) -> str:
    value, low, high = (f"{row[name + x]:+.{digits}f}" for x in ("", "_low", "_high"))
    return f"{verdict} ({value}, {low} … {high}, p {text.p(row[f'{name}_p'])})"


def sensitivity(row: Mapping[Any, Any]) -> str:
    """The verdict of a comparison on the sensitivity to the learning rate."""
    if not row["sensitivity_p"] < SURE:
        return "cannot tell"
    return "**less**" if row["sensitivity"] < 0 else "**more**"


def quality(row: Mapping[Any, Any]) -> str:
    """The verdict of a comparison on the test loss at the chosen rates."""
    word = "better" if row["best"] < 0 else "worse"
    return text.verdict(word, row["best_p"], row["best_equivalent"], SURE)


def _missing(plan: Config, parts: Mapping[str, Any]) -> str:
    def words(case: Case) -> tuple[str, str]:
        return heading(case.model, case.optimizer), ARMS[case.arm].label

    return cases.lacking(plan.cases(), parts, words)
