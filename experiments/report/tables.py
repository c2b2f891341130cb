"""The tables: each optimizer alone, with LM and with the controls, paired by seed."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments import text
from experiments.config.arms import ARMS, BASE, LM
from experiments.config.optimizers import OPTIMIZERS
from experiments.config.run import RunConfig
from experiments.report import groups, notes, statistics
from experiments.report.thesis import Published, published
from experiments.runs.run_directory import Run, rows


def summarize(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per optimizer, arm and settings of a table's runs, over its seeds.

    Returns:
      Columns dataset, model, optimizer ("sgd-swa" with weight averaging), arm, name
      (such as SGD-LM), settings (in words), n, loss_mean, loss_sd, accuracy_mean,
      accuracy_sd (percent), collapsed, diverged.
      For arms other than base, about the test accuracy minus base's over the same
      seeds, in percentage points: differences (pairs,), pairs, difference, low, high
      (95%), p (sign-flip), p_holm (Holm over all rows); apart_n and apart_difference
      over the pairs in which neither run collapsed; collapse_p (McNemar, of collapses
      only); base_rate, base's learning rate. base is the plain optimizer with the same
      momentum and weight decay, and with the same learning rate if there are several.
      pairs_needed: to detect a difference of notes.DETECTED point with 80% power
      (`statistics.pairs_needed`; infinite over a million, NaN without two pairs).
      A standard deviation is the sample's (n − 1), NaN for one run. Published values:
      thesis_loss, thesis_accuracy, thesis_doubt.

    Raises:
      UserError: two runs of a row have the same seed.
    """
    by_row = groups.by_row(runs)
    apart = groups.apart(by_row)
    bases = [row for row in by_row if row.arm == BASE.name]
    summary = []
    for row, of_row in by_row.items():
        config = of_row[0].config
        name = row_name(row.optimizer, row.arm)
        part = rows(of_row).set_index("seed")
        entry = {
            "dataset": config.dataset,
            "model": config.model,
            "optimizer": row.optimizer,
            "arm": row.arm,
            "name": f"{name} ({apart[row]})" if apart[row] else name,
            "settings": groups.settings(row),
        } | _measured(part)
        base = None if row.arm == BASE.name else _base_of(row, bases)
        if base is not None:
            plain = rows(by_row[base]).set_index("seed")
            entry |= _against(plain, part)
            entry["base_rate"] = base.of_optimizer()[groups.RATE]
        summary.append(entry | {"rate": config.learning_rate} | _published(config, row))
    result = pd.DataFrame(summary)
    if "p" in result:
        result["p_holm"] = statistics.holm(result["p"].to_numpy(float))
    return result


def _base_of(row: groups.Row, bases: Sequence[groups.Row]) -> groups.Row | None:
    """The plain optimizer's row that a row is compared with."""
    kept = ("momentum", "weight_decay")
    fitting = [
        base
        for base in bases
        if base.optimizer == row.optimizer
        and base.of_optimizer(*kept) == row.of_optimizer(*kept)
    ]
    equal = [base for base in fitting if base.of_optimizer() == row.of_optimizer()]
    # Each arm's learning rate may have been chosen separately.
    choice = equal or fitting
    return choice[0] if len(choice) == 1 else None


def _measured(part: pd.DataFrame) -> dict[str, Any]:
    with np.errstate(invalid="ignore"):  # infinite losses have no standard deviation
        loss_sd = part["average_last_loss"].std()
    return {
        "n": len(part),
        "loss_mean": part["average_last_loss"].mean(),
        "loss_sd": loss_sd,
        "accuracy_mean": part["test_accuracy"].mean(),
        "accuracy_sd": part["test_accuracy"].std(),
        "collapsed": int(part["collapsed"].sum()),
        "diverged": int((part["status"] == "diverged").sum()),
    }


def _against(base: pd.DataFrame, part: pd.DataFrame) -> dict[str, Any]:
    seeds = base.index.intersection(part.index)
    base, part = base.loc[seeds], part.loc[seeds]
    difference = part["test_accuracy"] - base["test_accuracy"]
    whole = statistics.paired(difference)
    needed = math.nan
    if whole.n > 1:
        pairs = statistics.pairs_needed(float(difference.std()), notes.DETECTED)
        needed = math.inf if pairs is None else pairs
    apart = difference[~(base["collapsed"] | part["collapsed"]).astype(bool)]
    return {
        "differences": tuple(difference),
        "pairs": whole.n,
        "difference": whole.mean,
        "low": whole.low,
        "high": whole.high,
        "p": whole.p,
        "pairs_needed": needed,
        "apart_n": len(apart),
        "apart_difference": apart.mean(),
        "collapse_p": statistics.mcnemar_p(base["collapsed"], part["collapsed"]),
    }


def _published(config: RunConfig, row: groups.Row) -> dict[str, Any]:
    key = (config.dataset, config.model, row.optimizer, row.arm)
    numbers: Published | None = published().get(key)
    as_published = (config.f, config.eps, config.c) == ("linear", 1.0, None)
    if row.arm == LM.name and not as_published:
        return {}
    if numbers is None:
        return {}
    return {
        "thesis_loss": numbers.average_last_loss,
        "thesis_accuracy": numbers.test_accuracy,
        "thesis_doubt": "; ".join(numbers.contradictions),
    }


def header(summary: pd.DataFrame) -> tuple[str, ...]:
    """The columns of `cells`."""
    only_lm = set(summary["arm"]) <= {BASE.name, LM.name}
    ours = [
        "Optimizer",
        "Settings",
        "Average Last Loss",
        "Average Test Accuracy",
        "Collapsed",
        "Did LM overperform?" if only_lm else "Better than the plain one?",
        "95% interval",
        "p (Holm)",
        "n",
    ]
    if "pairs_needed" in summary:
        ours.append(notes.PAIRS)
    if notes.has_thesis(summary):
        ours += ["Thesis: loss", "accuracy"]
    return tuple(ours)


def cells(summary: pd.DataFrame) -> list[tuple[str, ...]]:
    """The table's rows as text, in the order of `header`."""
    marks = notes.doubt_marks(summary)
    lines = []
    for row in summary.to_dict("records"):
        texts = [
            row["name"],
            row["settings"],
            _mean_sd(row["loss_mean"], row["loss_sd"], ".4g", ".2g"),
            _mean_sd(row["accuracy_mean"], row["accuracy_sd"], ".2f", ".2f"),
            _mishaps(row),
            _verdict(row),
            _interval(row),
            _p(row),
            str(row["n"]),
        ]
        if "pairs_needed" in summary:
            texts.append(_pairs_needed(row))
        if notes.has_thesis(summary):
            texts += _thesis(row, marks)
        lines.append(tuple(texts))
    return lines


def title(runs: Sequence[Run]) -> str:
    """What was run, with everything that reduces its scale."""
    configs = [run.config for run in runs]
    first = configs[0]

    def several(name: str) -> str:
        values = sorted({getattr(config, name) for config in configs})
        return " and ".join(map(str, values))

    epochs = several("epochs")
    parts = [
        f"{several('model')} on {several('dataset')}",
        f"{epochs} epoch{'' if epochs == '1' else 's'}",
        f"batches of {several('batch_size')}",
        "seeds " + ", ".join(map(str, sorted({config.seed for config in configs}))),
    ]
    if first.limit_train is not None:
        parts.append(f"{first.limit_train:,} training images")
    if first.validation is not None:
        parts.append(f"tested on {first.validation:,} held-out training images")
    if first.until_above_chance:
        parts.append("until above chance")
    if first.init_from is not None:
        parts.append("from another run's weights")
    if first.precision != "float32":
        parts.append(first.precision)
    if first.eval_mode != "eval":
        parts.append("tested in training mode")
    if not first.augment:
        parts.append("no augmentation")
    return ", ".join(parts)


def markdown(runs: Sequence[Run]) -> str:
    """The table with its title and notes on its figures."""
    summary = summarize(runs)
    rows = [tuple(map(text.markdown, row)) for row in cells(summary)]
    table = text.table(header(summary), rows)
    words = "\n\n".join(map(text.markdown, notes.notes(summary)))
    return f"**{text.markdown(title(runs))}**\n\n{table}\n{words}\n"


def row_name(optimizer: str, arm: Any) -> str:
    """A row's name, such as SGD-LM or SGD-SWA."""
    base, _, averaged = optimizer.partition("-")
    word = OPTIMIZERS[base].label + ("-SWA" if averaged else "")
    return word if arm == BASE.name else f"{word}-{ARMS[arm].label}"


def _mean_sd(mean: float, sd: float, mean_format: str, sd_format: str) -> str:
    shown = format(mean, mean_format)
    return shown if np.isnan(sd) else f"{shown} ± {sd:{sd_format}}"


def _mishaps(row: dict[str, Any]) -> str:
    shown = f"{row['collapsed']}/{row['n']}"
    return f"{shown}, {row['diverged']} diverged" if row["diverged"] else shown


def _verdict(row: dict[str, Any]) -> str:
    difference = row.get("difference", math.nan)
    if math.isnan(difference):
        return ""
    if not row["p_holm"] < 1 - statistics.CONFIDENCE:
        return f"cannot tell ({difference:+.2f})"
    return f"{'YES' if difference > 0 else 'NO'} ({difference:+.2f})"


def _interval(row: dict[str, Any]) -> str:
    if math.isnan(row.get("low", math.nan)):
        return ""
    return f"{row['low']:+.2f} … {row['high']:+.2f}"


def _p(row: dict[str, Any]) -> str:
    p = row.get("p_holm", math.nan)
    return "" if math.isnan(p) else f"{p:.3g}"


def _pairs_needed(row: dict[str, Any]) -> str:
    needed = row["pairs_needed"]
    if math.isnan(needed):
        return ""
    return "more than a million" if math.isinf(needed) else f"{needed:,.0f}"


def _thesis(row: dict[str, Any], marks: dict[str, str]) -> tuple[str, str]:
    accuracy = row.get("thesis_accuracy", math.nan)
    if math.isnan(accuracy):
        return "", ""
    mark = marks.get(row["thesis_doubt"], "")
    difference = row["accuracy_mean"] - accuracy
    return f"{row['thesis_loss']:.4g}", f"{accuracy:.2f}{mark} (ours {difference:+.2f})"
