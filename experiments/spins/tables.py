"""The study's tables as Markdown, from its rows."""

from typing import Any

import pandas as pd
from scipy import stats

from experiments import text
from experiments.runs import studies
from experiments.spins import analysis
from experiments.spins.analysis import SURE
from experiments.spins.options import PARTS
from experiments.spins.problems import families
from experiments.spins.search import LABELS
from experiments.spins.tunnelling import LONGEST


def tables(parts: dict[str, pd.DataFrame], about: dict[str, Any]) -> str:
    """All tables of the finished parts, and the names of the missing parts."""
    made = {"tunnelling": _tunnelling, "search": _search, "speed": _speed}
    found = ["# Spin systems\n"]
    found += [made[part](parts[part]) for part in PARTS if part in parts]
    missing = [part for part in PARTS if part not in parts]
    if missing:
        found.append(f"Not measured: {', '.join(missing)}.\n")
    found.append(studies.origin(about))
    return "\n".join(found)


def _tunnelling(times: pd.DataFrame) -> str:
    z = analysis.deviations(times)
    within, n = int((z.abs() <= 2).sum()), len(z)
    chance = stats.binom.cdf(within, n, 2 * stats.norm.cdf(2) - 1)
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
    return (
        "## Curie–Weiss tunneling times\n\nMean steps from all spins down to the "
        "mirror image of the most probable state, exact from the transition matrix. "
        f"Measured over {times['chains'].max():.0f} chains if the exact mean is at "
        f"most {LONGEST:,}. "
        f"Of {n} measured means, {within} lie within two standard errors of the exact "
        f"one; that few or fewer would in {100 * chance:.0f}% of studies.\n\n"
        + text.table(head, lines)
    )


def _search(trials: pd.DataFrame) -> str:
    summary = analysis.summary(trials)
    parts = ["## Time to solution\n", _how_to_read(trials)]
    known = families(False)
    for family in dict.fromkeys(summary["family"]):
        own = summary[summary["family"] == family]
        record = known[family]
        parts.append(
            f"### {record.label} ({record.known}, {own['n'].iloc[0]} instances)\n"
        )
        lines = []
        for row in own.to_dict("records"):
            lines.append(
                [
                    LABELS[row["method"]],
                    f"{row['length']:.0f}",
                    f"{row['first']:.2g} to {row['last']:.2g}",
                    row["shape"] if row["method"].startswith("lm") else "",
                    f"{100 * row['p']:.1f}%",
                    f"{row['time']:.3g}",
                    _ratio(row, ""),
                    f"{1e3 * row['seconds_time']:.3g}",
                    _ratio(row, "seconds_"),
                ]
            )
        head = (
            "Method", "Sweeps", "T", "f", "Success", "To solution, sweeps",
            "Over Metropolis's", "ms", "Over Metropolis's",
        )  # fmt: skip
        parts.append(text.table(head, lines))
    return "\n".join(parts)


def _how_to_read(trials: pd.DataFrame) -> str:
    tuned = trials[(trials["stage"] == "tuning") & (trials["method"] == "plain")]
    settings = len(tuned[["first", "last", "sweeps", "family"]].drop_duplicates())
    settings //= tuned["family"].nunique()
    return (
        f"Every method was tuned over the same {settings} settings (temperatures, "
        "length of a run, and for LM a shape f), on instances that are not used below. "
        "*To solution*: sweeps of one chain until repeated runs have "
        "succeeded with 99% probability, geometric mean over instances; for parallel "
        "tempering, all replicas' sweeps count. Milliseconds are those of one "
        "processor and include the cost of a call, which dominates in short runs of "
        "few spins. Ratios have a 95% interval over instances. The verdict is *faster* "
        f"or *slower* if p < {SURE} (sign-flip test of logarithms, paired by instance, "
        "Holm over this whole section, separately for sweeps and for seconds).\n"
    )


def _ratio(row: Any, name: str) -> str:
    if row["method"] == "plain":
        return ""
    value, low, high = (row[f"{name}{end}"] for end in ("ratio", "low", "high"))
    p = row[f"{name}p_value"]
    word = "cannot tell"
    if p < SURE:
        word = "**faster**" if value < 1 else "**slower**"
    p_text = "< 0.001" if p < 0.001 else f"{p:.3f}"
    return f"{value:.2f} ({low:.2f} … {high:.2f}), {word} (p {p_text})"


def _speed(runs: pd.DataFrame) -> str:
    lines = []
    for row in analysis.speeds(runs).to_dict("records"):
        ratio = ""
        if not row["program"].startswith("metropolis"):
            ratio = f"{row['ratio']:.2f} ({row['low']:.2f} … {row['high']:.2f})"
        lines.append(
            [
                f"{row['problem']}, n = {row['n']}", row["program"],
                f"{row['rate']:,.0f}", ratio,
            ]
        )  # fmt: skip
    n = runs["chains"].iloc[0]
    return (
        "## Speed\n\nSweeps of one chain per second of processor time, "
        f"{n:.0f} chains at once; the median of alternating repetitions. The last "
        "column: how many times as fast `metropolis` is (with LM, against NumPy with "
        "LM), with the range over repetitions.\n\n"
        + text.table(
            ("Problem", "Program", "Sweeps/s", "metropolis is faster by"), lines
        )
    )
