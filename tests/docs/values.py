"""What the templates in `claims/` name: `{margin mlp12 SGD LM}` is VALUES["margin"]."""

import csv

import numpy as np
from scipy import optimize, stats

from experiments.report import statistics
from experiments.report import thesis as published
from tests.docs import bad_batches, language_models, stability_margins
from tests.docs.rows import (
    Interval,
    Range,
    by_model,
    cell,
    epochs,
    frame,
    interval,
    numbers,
    of_arm,
    p,
    record,
    search,
)

HARDEST = [
    f"{problem} {method}"
    for problem in ("griewank 2", "griewank 5", "rastrigin 5")
    for method in (
        *(
            "Langevin (2.2)",
            "kinetic (2.5)",
            "improved (2.7)",
            "improved kinetic (2.8)",
        ),
        *("gradient descent", "random points"),
    )
]
TEMPERATURES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def seconds(study, network, backend, unit):
    return Range.of(
        about["seconds"] / float(unit)
        for case, about in record(f"{study}/cases").items()
        if case.split("-")[0] == network and about["machine"]["backend"] == backend
    )


def thesis(table, optimizer, arm, column):
    with open(published.__file__.replace(".py", ".csv"), encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if (row["table"], row["optimizer"], row["arm"]) == (table, optimizer, arm):
                return float(row[column])
    raise LookupError(f"{table}, {optimizer}, {arm}")


def gain_in_thesis(table, optimizer):
    lm, plain = (thesis(table, optimizer, x, "test_accuracy") for x in ("lm", "base"))
    return lm - plain


def gain(study, optimizer, arm):
    """Test accuracy minus the plain optimizer's, in points."""
    ours, plain = (of_arm(study, optimizer, x)["test_accuracy"] for x in (arm, "base"))
    found = statistics.paired((ours - plain).dropna())
    return Interval(found.mean, found.low, found.high)


def stuck(study, optimizer, arm):
    return of_arm(study, optimizer, arm)["collapsed"].sum()


def mcnemar(study, optimizer, arm):
    ours, plain = (of_arm(study, optimizer, x)["collapsed"] for x in (arm, "base"))
    return statistics.mcnemar_p(ours, plain)


def holm(study, optimizer, arm):
    """McNemar's p, adjusted over the arms."""
    arms = [x for x in frame(f"{study}/runs.csv")["arm"].unique() if x != "base"]
    adjusted = statistics.holm([mcnemar(study, optimizer, x) for x in arms])
    return dict(zip(arms, adjusted, strict=True))[arm]


def after(study, optimizer, epoch):
    rows = epochs(study).query(f"optimizer == @optimizer and epoch == {epoch}")
    return Range.of(rows["test_accuracy"])


def exact(successes, n):
    return stats.binomtest(int(successes), int(n)).proportion_ci(0.95, "exact")


def later(study):
    """Seconds of all epochs but the first ones."""
    rows = epochs(study)
    return rows["seconds"][rows["epoch"] > 1]


def first_epochs(study, n):
    rows = epochs(study)
    return Range.of(rows["seconds"][rows["epoch"] == 1].nlargest(int(n)))


def longest_shard(study):
    rows = frame(f"{study}/runs.csv")
    shard = rows["command"].str.extract(r"shard (\d)", expand=False)
    return rows["seconds"].groupby(shard).sum().max() / 60


def tunneling(n, temperature, landscape="plain"):
    """The exact mean number of steps."""
    rows = frame("spins/tunnelling.csv").set_index(["n", "temperature", "landscape"])
    return rows["exact"][int(n), float(temperature), landscape]


def bounded(n, temperature):
    return tunneling(n, temperature, "bounded, c at 1/4")


def slower(n):
    """Whether the bounded f takes longer than the plain chain, by temperature."""
    return [bounded(n, x) > tunneling(n, x) for x in TEMPERATURES]


def annealed(case, column):
    """The first number of a cell; a case is an objective, a dimension and a method."""
    return numbers(cell("annealing", "", case.split(" ", 2), column))[0]


def against_plain(case):
    return interval(cell("annealing", "", case.split(" ", 2), "Against the plain one"))


def against_plain_p(case):
    return p(cell("annealing", "", case.split(" ", 2), "Against the plain one"))


def by_tuning(case):
    """The success rates of the worst and the best tuning."""
    return numbers(cell("annealing", "", case.split(" ", 2), "By tuning"))


def escape(method, c, barrier):
    """The mean time over a barrier at T = 0.3; c is a share of the barrier."""
    rows = frame("annealing/escapes.csv")
    mean = (rows["sweep"] == "barrier") & (rows["method"] == method)
    mean &= rows["barrier"] == float(barrier)
    mean &= rows["share"].isna() if c == "plain" else rows["share"] == float(c)
    return rows["mean_time"][mean].item()


def escape_errors():
    """How far the mean times are from the exact ones, in standard errors."""
    rows = frame("annealing/escapes.csv").dropna(subset="exact")
    return np.log(rows["mean_time"] / rows["exact"]) * np.sqrt(rows["escapes"])


def evaluations_a_second(runs_):
    """Of the optimizers with so many runs: SciPy's have 20."""
    rows = record("performance/annealing")["rows"]
    rows = [row for row in rows if row.get("runs") == int(runs_)]
    return Range.of(round(row["evaluations_a_second"], -3) for row in rows)


def three_batches():
    """Where LM's mean step is zero, if c = 0 and the losses are (x − a)²/2."""

    def step(x):
        return sum((x - a) / (1 + (x - a) ** 2 / 2) for a in (0, 0, 4))

    return optimize.brentq(step, 0.0, 4.0)


def quartiles_apart():
    names = ("overhead/cpu-jax-0.10.2", "overhead/cpu-jax-0.12.0")
    quartiles = [
        row["ratio_quartiles"] for name in names for row in record(name)["rows"]
    ]
    return Range.of(100 * (high - low) for low, high in quartiles)


def h100(model, side="ours"):
    rows = record("performance/h100-jax-0.11.2")["rows"]
    return next(x for x in rows if (x["model"], x["side"]) == (model, side))


def graphs(model):
    row = h100(model, "torch graphs")
    return Interval(row["ours_faster"], *row["range"])


def eager():
    first = [x["speed_ratio"] for x in record("performance/h200-jax-0.11.2")["rows"]]
    second = [h100(model, "torch eager")["ours_faster"] for model in ("nn2", "vgg16")]
    return Range.of(first + second)


def several(way):
    rows = record("performance/several")["rows"]
    return Range.of(row[way]["speed"]["median"] - 1 for row in rows if way in row)


def pinned():
    """How many times as fast two pinned commands are as one on both cores."""
    rows = record("performance/pinned")["rows"]
    return np.median([row["two_pinned"] / row["one_command"] for row in rows])


def mean_cut(record_, seconds, program):
    """Of max-cut, over reads and repetitions."""
    rows = record(f"performance/{record_}")["rows"]
    key = ("max-cut", program, float(seconds))
    return np.mean(
        [
            row["mean"]
            for row in rows
            if (row["graph"], row["program"], row.get("seconds")) == key
        ]
    )


def bfloat16():
    """The mean changes of test accuracy, in points."""
    names = ("performance/bfloat16", "performance/bfloat16-nn2")
    rows = [row for name in names for row in record(name)["rows"]]
    changes = [np.subtract(row["bfloat16"], row["float32"]) for row in rows]
    assert [8 <= len(x) <= 10 for x in changes] == [True] * 5
    assert sum(statistics.equivalence_p(x, 1.0) < 0.05 for x in changes) == 2
    return Range.of(x.mean() for x in changes)


VALUES = (
    globals()
    | bad_batches.VALUES
    | language_models.VALUES
    | stability_margins.VALUES
    | {
        # Training runs, and the thesis.
        "mean": lambda study, optimizer, arm, x: of_arm(study, optimizer, arm)[
            x
        ].mean(),
        "pairs": lambda study, row: cell(study, "", row, "Pairs to detect 1 point"),
        "last": lambda study: Range.of(frame(f"{study}/runs.csv")["test_accuracy"]),
        "least_steps": lambda study: frame(f"{study}/runs.csv")["steps"].min(),
        "most_steps": lambda study: frame(f"{study}/runs.csv")["steps"].max(),
        "mean_scales": lambda study: Range.of(
            frame(f"{study}/windows.csv.gz").groupby("run")["scale"].mean().dropna()
        ),
        "smallest_p": lambda n: statistics.smallest_p(int(n)),
        "lower_bound": lambda successes, n: exact(successes, n).low,
        "upper_bound": lambda successes, n: exact(successes, n).high,
        "wilson": lambda successes, n: statistics.wilson(int(successes), int(n))[0],
        "median_epoch": lambda study: later(study).median(),
        "shortest_epoch": lambda study: later(study).min(),
        # Spins and formulas.
        "in_sweeps": lambda family, method: interval(search("sweeps")[family, method]),
        "p_in_sweeps": lambda family, method: p(search("sweeps")[family, method]),
        "plain": lambda n, temperature: tunneling(n, temperature),
        "millions": lambda n, temperature: tunneling(n, temperature) / 1e6,
        "bounded_to_plain": lambda n, x: bounded(n, x) / tunneling(n, x),
        "last_faster": lambda n: TEMPERATURES[slower(n).index(True) - 1],
        "first_slower": lambda n: TEMPERATURES[slower(n).index(True)],
        "success": lambda case: annealed(case, "Success"),
        "against_plain": against_plain,
        "against_plain_p": against_plain_p,
        "by_tuning": lambda case: by_tuning(case)[0],
        "by_tuning_best": lambda case: by_tuning(case)[1],
        "escapes_known": lambda: len(escape_errors()),
        "escapes_within_2": lambda: int((abs(escape_errors()) < 2).sum()),
        "escapes_chi_square": lambda: (escape_errors() ** 2).sum(),
        "escapes_p": lambda: stats.chi2.sf(
            (escape_errors() ** 2).sum(), len(escape_errors())
        ),
        "hardest": lambda: max(annealed(case, "Success") for case in HARDEST),
        "smallest_eps": lambda dtype: float(np.finfo(dtype).tiny) ** 0.5,
        # Speed.
        "pairs_of_calls": lambda: record("overhead/cpu-jax-0.10.2")["pairs"],
        "preresnet": lambda: Range.of(
            by_model(name)["preresnet110"]["speed_ratio"]
            for name in ("cpu-jax-0.10.2", "plain-jax-0.12.0", "cpu-jax-0.12.0")
        ),
        "speed": lambda name, model: by_model(name)[model]["speed_ratio"],
        "step": lambda name, model: by_model(name)[model]["jax"]["seconds_a_step"],
        "peak": lambda name, model: by_model(name)[model]["jax"]["peak_mib"] / 1024,
        "share": lambda model, of: h100(model)[f"share_of_{of}_rate"],
        "compilation": lambda model: h100(model)["about"]["compile_seconds"],
        "gain_unrolled": lambda: several("unrolled").high,
    }
)
