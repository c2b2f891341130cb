"""The rows of the tables of speed in docs/, made from the benchmarks' records."""

from itertools import groupby
from operator import itemgetter

import numpy as np

from tests.docs.rows import by_model, record

LAYERS = {
    "1×1 as a matrix product, 32², 64 → 16": ("pointwise 1×1", 32, 64),
    "3×3 as patches, 32², 3 → 32": ("patches 3×3", 32, 3),
    "3×3 by Winograd, 16², 64 → 128": ("Winograd 3×3", 16, 64),
    "3×3 by Winograd, 2², 512 → 512": ("Winograd 3×3", 2, 512),
    "batch norm, 32², 64 → 64": ("batch norm", 32, 64),
    "max pool, 32², 64 → 64": ("max pool", 32, 64),
}


SOLVED = {"Rastrigin": 2, "Schwefel": 2, "Styblinski–Tang": 5}


def speed_tables(page: str) -> list[str]:
    parts = {
        "performance": (overhead, on_a_cpu, layers, on_a_gpu, start_up),
        "annealing": (annealing, beside_scipy),
        "spins": (flips,),
    }
    rows = [row for part in parts.get(page, ()) for row in part()]
    return [f"| {' | '.join(row)} |" for row in rows]


def overhead():
    old, new = (record(f"overhead/cpu-jax-0.{x}")["rows"] for x in ("10.2", "12.0"))
    for first, second in zip(old, new, strict=True):
        added = max(first["bytes_added_percent"], second["bytes_added_percent"])
        ratios = (f"{x['ratio_median']:.3f}" for x in (first, second))
        yield first["optimizer"], f"{added:.4f}%", *ratios


def on_a_cpu():
    for jax, name in (
        ("0.10.2", "cpu-jax-0.10.2"),
        ("0.12.0.1", "plain-jax-0.12.0"),
        ("0.12.0.1, oneDNN", "cpu-jax-0.12.0"),
    ):
        for model, row in by_model(name).items():
            sides = row["jax"], row["torch"]
            yield (
                model,
                jax,
                *(f"{side['seconds_a_step']:.3f}" for side in sides),
                speed(row["speed_ratio"], row["speed_ratio_range"]),
                f"{row['jax']['compile_seconds']:.0f}",
                *(f"{side['peak_mib'] / 1024:.1f}" for side in sides),
            )


def layers():
    rows = record("performance/layers-0.12.0")["rows"]
    of_key = {(x["name"], x["side"], x["inputs"]): x for x in rows}
    for name, key in LAYERS.items():
        yield name, *(f"{of_key[key][x]['median']:.0f}" for x in ("native", "ours"))


def on_a_gpu():
    for row in record("performance/h200-jax-0.11.2")["rows"]:
        ours, torch = (
            f"{1000 * row[x]['seconds_a_step']:.2f}" for x in ("jax", "torch")
        )
        ratio = speed(row["speed_ratio"], row["speed_ratio_range"])
        yield row["model"], row["precision"], "H200", ours, "eager", torch, ratio
    ours = ""
    for row in record("performance/h100-jax-0.11.2")["rows"]:
        if "late" in row:  # it had not compiled when its time was up
            continue
        step = f"{1000 * row['seconds_a_step']:.2f}"
        if row["side"] == "ours":
            ours = step
            continue
        ratio, side = speed(row["ours_faster"], row["range"]), row["side"].split()[1]
        yield row["model"], row["precision"], "H100", ours, side, step, ratio


def start_up():
    rows = {row["what"]: row for row in record("performance/startup")["rows"]}
    seconds = f"{rows['train --help']['seconds']['median']:.2f}"
    yield "`train --help`", seconds, seconds
    for name, model in (("SimpleCNN", "simple_cnn"), ("NN2", "nn2")):
        starts = (rows[model][f"{x}_start_seconds"] for x in ("first", "second"))
        yield f"{name}'s first step and test", *(f"{x['median']:.1f}" for x in starts)


def annealing():
    for row in record("performance/annealing")["rows"]:
        if "method" in row:
            ratios = (
                speed(row[f"ratio_{x}"], row[f"ratio_{x}_range"], digits=1)
                for x in ("float64", "float32")
            )
            step = f"{row['microseconds_a_step']['jax']:.0f}"
            yield row["objective"], str(row["dimension"]), row["method"], step, *ratios


def flips():
    """Medians, in millions a second; of two records of a graph, the later one."""
    seen = {}
    for name in ("flips", "flips-large", "flips-loops", "flips-loops-large"):
        option = ", with the option" if "loops" in name else ""
        rows = [x for x in record(f"performance/{name}")["rows"] if "flips" in x]
        for key, group in groupby(rows, key=itemgetter("graph", "reads")):
            rates = [(x["program"] + option, x["flips"] / 1e6) for x in group]
            for program in dict(rates):
                median = np.median([rate for of, rate in rates if of == program])
                seen[*key, program] = f"{median:.1f}"
    graphs = [f"sparse {n}" for n in (24, 216, 4096, 16384)]
    graphs += [f"dense {n}" for n in (24, 128, 1024)]
    for graph in graphs:
        for program in ("metropolis", "metropolis, with the option", "dwave-samplers"):
            numbers = (seen[graph, reads, program] for reads in (1, 16, 128, 1000))
            yield graph, program, *numbers


def beside_scipy():
    rows = [x for x in record("performance/annealing")["rows"] if "optimizer" in x]
    for name, dimension in SOLVED.items():
        of_problem = {
            row["optimizer"]: row["evaluations"]
            for row in rows
            if row["objective"] == name.lower().replace("–", "_")
        }
        scipy = [of_problem.pop(x) for x in ("dual_annealing", "basinhopping")]
        numbers = [*scipy, min(of_problem.values())]
        yield name, str(dimension), *(f"{x:,.0f}" for x in numbers)


def speed(ratio, ends, digits=2):
    low, high = (f"{x:.{digits}f}" for x in ends)
    return f"{ratio:.{digits}f} ({low} to {high})"
