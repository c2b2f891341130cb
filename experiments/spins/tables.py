"""The study's tables as Markdown, from its rows."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from experiments import text
from experiments.spins import analysis
from experiments.spins.analysis import SURE
from experiments.spins.options import PARTS
from experiments.spins.problems import Family, families
from experiments.spins.search import LABELS
from experiments.spins.tunnelling import LONGER, LONGEST
from experiments.study import document
from experiments.study.record import Index

SAMPLES = {"tunnelling": "first", "tunnelling-again": "second"}


def tables(parts: Mapping[str, pd.DataFrame], index: Index, quick: bool) -> str:
    """All tables of the finished parts, and the names of the missing parts."""
    sections = ["# Spin systems\n"]
    if parts.keys() & SAMPLES.keys():
        sections.append(_tunnelling({p: parts[p] for p in SAMPLES if p in parts}))
    if "search" in parts:
        sections.append(_search(parts["search"], families(quick)))
    if missing := [part for part in PARTS if part not in parts]:
        sections.append(f"Not measured: {', '.join(missing)}.\n")
    return "\n".join([*sections, document.origin(index.parts)])


def _tunnelling(samples: dict[str, pd.DataFrame]) -> str:
    """The samples against the exact means, then the rows of each."""
    words = (
        "## Curie–Weiss tunneling times\n\nMean steps from all spins down to the "
        "mirror image of the most probable state: exact from the transition matrix, "
        f"and measured if the exact mean is at most {LONGEST:,}. *Longer cases* have "
        f"means of up to {LONGER:,} and fewer chains.\n\n"
        f"<!-- agreement -->\n\n{_agreement(samples)}\n"
        "The sum is that of the squared deviations, in standard errors. The two "
        "probabilities are those of chance if all exact means are right.\n\n"
        "<!-- end of the agreement -->\n\n"
    )
    for part, times in samples.items():
        # Both samples have the same exact means.
        shown = times if part == "tunnelling" else times[times["chains"] > 0]
        words += f"### {SAMPLES[part].capitalize()} sample\n\n{_times(shown)}\n"
    return words.rstrip("\n") + "\n"


def _agreement(samples: dict[str, pd.DataFrame]) -> str:
    groups = {}
    for part, times in samples.items():
        groups[SAMPLES[part]] = times[times["exact"] <= LONGEST]
    if len(samples) == len(SAMPLES):
        groups["both together"] = analysis.pooled(*samples.values())
    for times in samples.values():
        longer = times[times["exact"] > LONGEST]
        if longer["chains"].any():
            groups["longer cases"] = longer
    head = (
        "Sample", "Chains", "Means", "Within two standard errors", "So few or fewer",
        "Sum of squares", "So large or larger", "Farthest off",
    )  # fmt: skip
    lines = []
    for name, times in groups.items():
        if not times["chains"].any():
            continue
        fit = analysis.agreement(times)
        lines.append(
            [
                name, f"{times['chains'].max():,.0f}", f"{fit['n']}",
                f"{fit['within']}", f"{100 * fit['few']:.0f}%",
                f"{fit['squares']:.1f}", f"{100 * fit['large']:.0f}%",
                f"{fit['farthest']:+.2f}",
            ]
        )  # fmt: skip
    return text.table(head, lines)


def _times(times: pd.DataFrame) -> str:
    z = analysis.deviations(times)
    head = ("n", "T", "Landscape", "Exact", "Measured", "Standard errors off")
    lines = []
    for place, row in times.iterrows():
        measured, off = "—", "—"
        if row["chains"]:
            measured = f"{row['mean']:.4g} ± {row['error']:.2g}"
            off = f"{z[place]:+.2f}"
        lines.append(
            [
                f"{row['n']:.0f}", f"{row['temperature']:g}", str(row["landscape"]),
                f"{row['exact']:.4g}", measured, off,
            ]
        )  # fmt: skip
    return text.table(head, lines)


def _search(trials: pd.DataFrame, known: Mapping[str, Family]) -> str:
    summary = analysis.summary(trials)
    parts = ["## Time to solution\n", _how_to_read(trials)]
    for family in dict.fromkeys(summary["family"]):
        of_family = summary[summary["family"] == family]
        record = known[family]
        parts.append(
            f"### {record.label} ({record.known}, {of_family['n'].iloc[0]} instances)\n"
        )
        lines = []
        for row in of_family.to_dict("records"):
            lines.append(
                [
                    LABELS[row["method"]],
                    f"{row['length']:.0f}",
                    f"{row['first']:.2g} to {row['last']:.2g}",
                    row["shape"] if row["method"].startswith("lm") else "",
                    f"{100 * row['p']:.1f}%",
                    _time(row, "", 1),
                    _ratio(row, ""),
                    _time(row, "seconds_", 1e3),
                    _ratio(row, "seconds_"),
                ]
            )
        head = (
            "Method", "Sweeps", "T", "f", "Success", "To solution, sweeps",
            "Over Metropolis's", "ms", "Over Metropolis's",
        )  # fmt: skip
        parts.append(text.table(head, lines))
    if "dwave" in set(trials["method"]):
        parts.append(_against_dwave(trials, known))
    return "\n".join(parts)


def _against_dwave(trials: pd.DataFrame, known: Mapping[str, Family]) -> str:
    chains = trials[trials["method"].isin(["plain", "lm", "dwave"])]
    summary = analysis.summary(chains, base="dwave")
    lines = [
        [
            known[row["family"]].label, LABELS[row["method"]],
            _ratio(row, "", "dwave"), _ratio(row, "seconds_", "dwave"),
        ]
        for row in summary.to_dict("records")
        if row["method"] != "dwave"
    ]  # fmt: skip
    return (
        "### Compared with dwave-samplers\n\nThe same times divided by those of its "
        f"annealer, in sweeps and in seconds (Holm over {len(lines)} comparisons each)."
        "\n\n" + text.table(("Family", "Method", "Sweeps", "Seconds"), lines)
    )


def _time(row: Any, name: str, scale: float) -> str:
    value, low, high = (
        scale * row[f"{name}{end}"] for end in ("time", "time_low", "time_high")
    )
    return f"{value:.3g} ({low:.3g} … {high:.3g})"


def _how_to_read(trials: pd.DataFrame) -> str:
    tuned = trials[(trials["stage"] == "tuning") & (trials["method"] == "plain")]
    settings = len(tuned[["first", "last", "sweeps", "family"]].drop_duplicates())
    settings //= tuned["family"].nunique()
    return (
        f"Every method was tuned over the same {settings} settings (temperatures, "
        "length of a run, and for LM a shape f), on instances that are not used below. "
        "*Metropolis* is `metropolis` without LM, whose flips accept by the heat bath. "
        "*To solution*: sweeps of one chain until repeated runs have "
        "succeeded with 99% probability, geometric mean over instances with its 95% "
        "interval; for parallel tempering, all replicas' sweeps count. Milliseconds "
        "are those of one processor and include the cost of a call, which dominates in "
        "short runs of few spins. Ratios have a 95% interval over instances. The "
        f"verdict is *faster* or *slower* if p < {SURE} (sign-flip test of "
        "logarithms, paired by instance, Holm over this whole section, separately for "
        "sweeps and for seconds).\n"
    )


def _ratio(row: Any, name: str, base: str = "plain") -> str:
    if row["method"] == base:
        return ""
    value, low, high = (row[f"{name}{end}"] for end in ("ratio", "low", "high"))
    p = row[f"{name}p_value"]
    word = "cannot tell"
    if p < SURE:
        word = "**faster**" if value < 1 else "**slower**"
    return f"{_short(value)} ({_short(low)} … {_short(high)}), {word} (p {text.p(p)})"


def _short(ratio: float) -> str:
    """To two decimals, or in powers of ten where that would be long or nothing."""
    return f"{ratio:.2f}" if 0.005 <= ratio < 1e4 else f"{ratio:.0e}"
