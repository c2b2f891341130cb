"""The study's tables, and their verdicts on the modification."""

from typing import Any

import numpy as np
import pandas as pd

from experiments import text
from experiments.annealing.rows import PROBLEM, WORDS, Tables
from experiments.annealing.search import ALL
from experiments.report import statistics
from experiments.runs import provenance

PLAIN = {"improved": "langevin", "improved_kinetic": "kinetic"}


def summarize(chains: pd.DataFrame, steps: int) -> pd.DataFrame:
    """A row per problem and method, over its tunings and chains.

    Returns:
      PROBLEM, method, n, successes, low, high (Wilson, 95%), worst, best (success rate
      of a tuning), median_gap, evaluations (all chains' evaluations, up to the target
      where it was reached, over the successes; inf without any). For the two improved
      methods, also the difference of the success rate from the plain method's, whether
      each tuning has its sign (agree), p (McNemar over chains with the same start) and
      p_holm, over all rows.
    """
    rows = []
    for problem, of_problem in chains.groupby(PROBLEM, sort=False):
        outcome = {
            method: part.set_index(["tuning", "chain"])["evaluations"] > 0
            for method, part in of_problem.groupby("method")
        }
        for method in (m for m in ALL if m in outcome):
            part = of_problem[of_problem["method"] == method]
            won = outcome[method]
            low, high = statistics.wilson(int(won.sum()), won.size)
            by_tuning = won.groupby("tuning").mean()
            spent = part["evaluations"].where(part["evaluations"] > 0, steps).sum()
            row = dict(zip(PROBLEM, problem)) | {
                "method": method,
                "n": won.size,
                "successes": int(won.sum()),
                "low": low,
                "high": high,
                "worst": by_tuning.min(),
                "best": by_tuning.max(),
                "median_gap": part["gap"].median(),
                "evaluations": spent / won.sum() if won.any() else np.inf,
            }
            if PLAIN.get(method) in outcome:
                plain = outcome[PLAIN[method]].reindex(won.index)
                row["difference"] = won.mean() - plain.mean()
                signs = np.sign(by_tuning - plain.groupby("tuning").mean())
                row["agree"] = signs.nunique() == 1
                row["p"] = statistics.mcnemar_p(won.to_numpy(), plain.to_numpy())
            rows.append(row)
    table = pd.DataFrame(rows)
    table["p_holm"] = statistics.holm(table["p"].to_numpy(float))
    return table


def told(row: Any) -> bool:
    """Whether a difference is significant and has the same sign in each tuning."""
    return bool(row["p_holm"] < 0.05 and row["agree"])


def verdict(row: Any) -> str:
    """The last cell of a row of `summarize`."""
    if np.isnan(row["p_holm"]):
        return ""
    points = f"{100 * row['difference']:+.1f} points, p {text.p(row['p_holm'])}"
    if row["p_holm"] < 0.05 and not row["agree"]:
        return f"cannot tell ({points}, the tunings differ)"
    if not told(row):
        return f"cannot tell ({points})"
    return f"{'better' if row['difference'] > 0 else 'worse'} ({points})"


def tables(rows: Tables) -> str:
    """The tables as Markdown."""
    sizes = rows.sizes
    table = summarize(rows.chains, sizes["steps"])
    tunings = rows.chains["tuning"].nunique()
    parts = [
        f"**Annealing, {sizes['steps']:,} evaluations per chain, {tunings} tunings of "
        f"{sizes['settings']} settings, {sizes['chains']} fresh chains for each**\n",
        _totals(table),
        _table(table),
        "A success is a best value within the tolerance of the minimum, which is half "
        "the height of the next dent. Success: rate over all chains, with Wilson's 95% "
        "interval for these settings and the rates of the single tunings. Gap: "
        "best value minus the minimum. Evaluations: all that were spent, divided by "
        "the successes. Against the plain one: success rates of chains from the same "
        "starts, McNemar's test, adjusted by Holm over the table; the verdict is "
        "better or worse if p is below 0.05 and each tuning has the same sign.\n",
        "**Mean time over a barrier**, in units of the diffusion's time\n",
        _escapes(rows.escapes),
        text.code_block([str(rows.about["command"])]),
        f"Run on: {text.markdown(provenance.in_words(rows.about))}, "
        f"{rows.about['seconds']:.0f} s.\n",
    ]
    return "\n".join(parts)


def _totals(table: pd.DataFrame) -> str:
    names = ("method", "against", "better", "worse", "cannot tell", "problems")
    lines = []
    for method, plain in PLAIN.items():
        compared = table[(table["method"] == method) & table["p_holm"].notna()]
        sure = compared[compared.apply(told, axis=1).astype(bool)]
        better = int((sure["difference"] > 0).sum())
        counts = better, len(sure) - better, len(compared) - len(sure), len(compared)
        lines.append([WORDS[method], WORDS[plain], *map(str, counts)])
    return text.table(names, lines)


def _table(table: pd.DataFrame) -> str:
    names = (
        "Objective", "d", "Method", "Success", "95% interval", "By tuning",
        "Median gap", "Evaluations per success", "Against the plain one",
    )  # fmt: skip
    lines = [
        [
            row["objective"], str(row["dimension"]), WORDS[row["method"]],
            f"{100 * row['successes'] / row['n']:.1f}%",
            f"{100 * row['low']:.1f} … {100 * row['high']:.1f}",
            f"{100 * row['worst']:.0f} … {100 * row['best']:.0f}",
            f"{row['median_gap']:.3g}",
            f"{row['evaluations']:,.0f}" if row["successes"] else "—",
            verdict(row),
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
