"""What the study would run, and about how long that takes; writes nothing."""

from collections.abc import Sequence
from pathlib import Path

from experiments.errors import UserError
from experiments.runs.provenance import in_words as where
from experiments.runs.remaining import in_words
from experiments.stability import rows
from experiments.stability.options import Case, Study
from experiments.stability.tasks import TASKS

COMMITTED = Path(__file__).parents[2] / "results" / "stability"


def lines(config: Study, out: Path) -> list[str]:
    """A line for each task and optimizer, then the time."""
    cases, seeds = config.cases(), config.seed_numbers()
    missing = [case for case in cases if not rows.finished(out, case)]
    found = [f"{out}: {len(cases)} cases of {len(seeds)} seeds"]
    groups: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        groups.setdefault((case.task, case.optimizer), []).append(case)
    for (task, optimizer), same in groups.items():
        done = [case.arm for case in same if case not in missing]
        rates, steps = len(config.rates(same[0])), TASKS[task].steps
        found.append(
            f"  {task} {optimizer}, {rates} rates, {steps} steps: "
            f"{' '.join(case.arm for case in same)}"
            + (f"; finished: {' '.join(done)}" if done else "")
        )
    if not missing:
        return [*found, "  nothing is left to run"]
    runs = sum(len(seeds) * len(config.rates(case)) for case in missing)
    steps = sum(
        len(seeds) * len(config.rates(case)) * TASKS[case.task].steps
        for case in missing
    )
    left = f"  to run: {len(missing)} cases, {runs:,} runs, {steps:,} steps"
    return [*found, f"{left}; {_time(config, missing, out)}"]


def _time(config: Study, missing: Sequence[Case], out: Path) -> str:
    for study in (out, COMMITTED):
        try:
            pace, machine = _pace(study)
        except UserError:  # it holds no finished case
            continue
        if all(case.task in pace for case in missing):
            seconds = sum(
                pace[case.task] * len(config.seed_numbers()) * len(config.rates(case))
                for case in missing
            )
            at = "here" if study == out else f"of results/stability ({machine})"
            return f"{in_words(seconds)}, at the pace of the finished cases {at}"
    return "how long they take is not known before a case of each task is finished"


def _pace(study: Path) -> tuple[dict[str, float], str]:
    """Seconds a run of each task took, and where."""
    found, known = rows.read(study), rows.cases(study)
    seconds: dict[str, list[float]] = {}
    for key, part in found.groupby(rows.KEYS):
        case = Case(*key)
        spent = known[case.name].get("seconds")
        if isinstance(spent, int | float) and spent > 0:
            seconds.setdefault(case.task, []).append(spent / len(part))
    machines = dict.fromkeys(where(about) for about in known.values())
    return {task: sum(s) / len(s) for task, s in seconds.items()}, "; ".join(machines)
