"""The study's tables, and their verdicts on the modification."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from experiments import text
from experiments.annealing.rows import PART, PROBLEM, WORDS
from experiments.annealing.search import ALL
from experiments.report import statistics
from experiments.runs import provenance
from experiments.study.record import Frames, Index

SURE = 0.05
EQUIVALENT = 0.05  # of the rate of success
PLAIN = {"improved": "langevin", "improved_kinetic": "kinetic"}


def summarize(chains: pd.DataFrame, steps: int) -> pd.DataFrame:
    """A row per problem and method. Tunings are the replicates, not their chains.

    Returns:
      PROBLEM, method, n (chains), successes, success (mean rate over tunings) with low
      and high (95% interval), worst, best (rate of a tuning), median_gap, evaluations
      (all chains' evaluations, up to the target where it was reached, over the
      successes; inf without any). For the two improved methods, also the difference of
      the rate from the plain method's, paired by tuning: its mean, less, more (95%
      interval), p, p_holm (over all rows), and equal (p of equivalence within
      EQUIVALENT).
    """
    rows = []
    for problem, of_problem in chains.groupby(PROBLEM, sort=False):
        won = of_problem.assign(won=of_problem["evaluations"] > 0)
        rates = won.pivot_table(index="tuning", columns="method", values="won")
        for method in (m for m in ALL if m in rates):
            part = of_problem[of_problem["method"] == method]
            reached = part["evaluations"] > 0
            spent = part["evaluations"].where(reached, steps).sum()
            rate = rates[method]
            low, high = statistics.interval(rate.to_numpy())
            row = dict(zip(PROBLEM, problem)) | {
                "method": method,
                "n": len(part),
                "successes": int(reached.sum()),
                "success": rate.mean(),
                "low": max(low, 0.0),
                "high": min(high, 1.0),
                "worst": rate.min(),
                "best": rate.max(),
                "median_gap": part["gap"].median(),
                "evaluations": spent / reached.sum() if reached.any() else np.inf,
            }
            if PLAIN.get(method) in rates:
                differences = (rate - rates[PLAIN[method]]).to_numpy()
                paired = statistics.paired(differences)
                row |= {
                    "difference": paired.mean,
                    "less": paired.low,
                    "more": paired.high,
                    "p": paired.p,
                    "equal": statistics.equivalence_p(differences, EQUIVALENT),
                }
            rows.append(row)
    table = pd.DataFrame(rows)
    table["p_holm"] = statistics.holm(table["p"].to_numpy(float))
    return table


def verdict(row: Any) -> str:
    """better, worse, equal or cannot tell; empty if nothing was compared."""
    if np.isnan(row["p_holm"]):
        return ""
    word = "better" if row["difference"] > 0 else "worse"
    return text.verdict(word, row["p_holm"], row["equal"], SURE).strip("*")


def _against(row: Any) -> str:
    """The last cell of a row of `summarize`."""
    if not (said := verdict(row)):
        return ""
    mean, less, more = (100 * row[x] for x in ("difference", "less", "more"))
    points = f"{mean:+.1f} points, {less:.1f} … {more:.1f}"
    return f"{said} ({points}, p {text.p(row['p_holm'])})"


def tables(rows: Frames, index: Index) -> str:
    """The tables as Markdown."""
    about, sizes, within = index.parts[PART], index.study["options"], 100 * EQUIVALENT
    chains, escapes = rows["chains"], rows["escapes"]
    table = summarize(chains, sizes["steps"])
    tunings = chains["tuning"].nunique()
    parts = [
        f"**Annealing, {sizes['steps']:,} evaluations per chain, {tunings} tunings of "
        f"{sizes['settings']} settings, {sizes['chains']} fresh chains for each**\n",
        _totals(table),
        _table(table),
        "A success is a best value within the tolerance of the minimum, which is "
        "half the height of the next dent. Success: the mean rate over tunings, "
        "with Student's 95% interval (of no width where all tunings have the same "
        "rate), and the rates of the worst and the best tuning. Gap: best value "
        "minus the minimum. Evaluations: all that were spent, divided by the "
        "successes. Against the plain one: the mean difference of the rates, "
        "paired by tuning, with its 95% interval; better or worse if the "
        f"sign-flip test, adjusted by Holm over the table, has p below {SURE}; equal "
        "if two one-sided t tests at 5%, not adjusted, show a mean within "
        f"±{within:.0f} points.\n",
        "**Mean time over a barrier**, in units of the diffusion's time\n",
        _escapes(escapes),
        _agreement(escapes),
        text.code_block([str(about["command"])]),
        f"Run on: {text.markdown(provenance.in_words(about))}, "
        f"{about['seconds']:.0f} s.\n",
    ]
    return "\n".join(parts)


def _totals(table: pd.DataFrame) -> str:
    verdicts = ("better", "worse", "equal", "cannot tell")
    lines = []
    for method, plain in PLAIN.items():
        said = [verdict(row) for row in table.to_dict("records")
                if row["method"] == method]  # fmt: skip
        said = [words for words in said if words]
        counts = [sum(x in words for words in said) for x in verdicts]
        lines.append([WORDS[method], WORDS[plain], *map(str, [*counts, len(said)])])
    return text.table(("method", "against", *verdicts, "problems"), lines)


def _table(table: pd.DataFrame) -> str:
    names = (
        "Objective", "d", "Method", "Success", "95% interval", "By tuning",
        "Median gap", "Evaluations per success", "Against the plain one",
    )  # fmt: skip
    lines = [
        [
            row["objective"], str(row["dimension"]), WORDS[row["method"]],
            f"{100 * row['success']:.1f}%",
            f"{100 * row['low']:.1f} … {100 * row['high']:.1f}",
            f"{100 * row['worst']:.0f} … {100 * row['best']:.0f}",
            f"{row['median_gap']:.3g}",
            f"{row['evaluations']:,.0f}" if row["successes"] else "—",
            _against(row),
        ]
        for row in table.to_dict("records")
    ]  # fmt: skip
    return text.table(names, lines)


def _escapes(escapes: pd.DataFrame) -> str:
    names = ("Method", "c / barrier", "Barrier", "T", "Over", "Mean time", "Exact")
    lines = []
    for row in escapes.to_dict("records"):
        error = row["mean_time"] / np.sqrt(max(row["escapes"], 1))
        cells = (
            WORDS[row["method"]],
            "" if np.isnan(row["share"]) else f"{row['share']:g}",
            f"{row['barrier']:g}", f"{row['temperature']:g}",
            f"{row['escapes']}/{row['chains']}",
            f"{row['mean_time']:.4g} ± {error:.2g}" if row["escapes"] else "—",
            "" if np.isnan(row["exact"]) else f"{row['exact']:.4g}",
        )  # fmt: skip
        lines.append(cells)
    return text.table(names, lines)


def _agreement(escapes: pd.DataFrame) -> str:
    """How the overdamped methods' times agree with the exact ones."""
    known = escapes[escapes["exact"].notna() & (escapes["escapes"] > 0)]
    if known.empty:
        return ""
    # A mean of n exponential times has a relative standard error of 1 / √n.
    z = np.log(known["mean_time"] / known["exact"]) * np.sqrt(known["escapes"])
    p = stats.chi2.sf((z**2).sum(), len(z))
    return (
        f"Of {len(z)} times whose exact mean is known, {int((abs(z) < 2).sum())} lie "
        f"within two standard errors of it, and all within {abs(z).max():.2f}; "
        f"together χ² = {(z**2).sum():.1f} (p {text.p(p)}).\n"
    )
