"""Shows what the study would run, and about how long that takes; writes nothing."""

from collections import Counter
from pathlib import Path

from experiments.stability import rows
from experiments.stability.options import Case, Study
from experiments.stability.tasks import TASKS


def lines(config: Study, out: Path) -> list[str]:
    """A line for each task and optimizer, then the time."""
    cases, seeds = config.cases(), config.seed_numbers()
    missing = rows.missing(out, cases)
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
    of_task: Counter[str] = Counter()
    for case in missing:
        of_task[case.task] += len(seeds) * len(config.rates(case))
    runs = of_task.total()
    steps = sum(count * TASKS[task].steps for task, count in of_task.items())
    left = f"  to run: {len(missing)} cases, {runs:,} runs, {steps:,} steps"
    return [*found, f"{left}; {rows.STUDY.time(of_task, out, _finished)}"]


def _finished(study: Path) -> dict[str, tuple[str, float]]:
    """The task and the number of runs of each case."""
    found = rows.read(study).groupby(rows.KEYS)
    return {Case(*key).name: (key[0], len(part)) for key, part in found}
