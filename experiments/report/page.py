"""The report's HTML: everything in one file, for a screen, a phone and paper.

`page.html.j2` has the form of the page. All text enters it through `printable` and
Jinja's escaping.
"""

import base64
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from experiments.config.arms import LM
from experiments.report import notes, tables
from experiments.runs.run_directory import Run
from experiments.text import link, plural, printable

EFFECTS = (
    "The gain of each arm over the plain optimizer with the same seed. Crosses are "
    "seeds, dots their mean, bars its 95% interval."
)
CAPTIONS = {
    "loss": "Training loss, averaged over 20 steps. Line: mean over the seeds; "
    "band: smallest to largest.",
    "test_accuracy": "Test accuracy after each epoch.",
    "c": "The threshold c.",
    "scale": "The factor that multiplied the gradients.",
}


def page(
    title: str,
    effects: Path,
    sections: Sequence[Mapping[str, Any]],
    runs: Sequence[Run],
    studies: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The whole page.

    Args:
      title: heading.
      effects: picture of what each arm gained, which may be missing.
      sections: from `section`.
      runs: all of them, for the environment.
      studies: title, path and captions (by picture) of each study; they come first.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda x: x if isinstance(x, markupsafe.Markup) else printable(x),
        keep_trailing_newline=True,
    )
    environment.filters |= {"embedded": _embedded}
    return environment.get_template("page.html.j2").render(
        title=title,
        count=_count(runs),
        effects={effects: EFFECTS} if effects.exists() else {},
        sections=sections,
        environments=_environments(runs),
        studies=studies,
    )


def section(runs: Sequence[Run], pictures: Sequence[Path], out: Path) -> dict[str, Any]:
    """One table's runs for the page; links are relative to `out`."""
    summary = tables.summarize(runs)
    return {
        "title": tables.title(runs),
        "header": tables.header(summary),
        "rows": [
            {"cells": cells, "modified": arm == LM.name}
            for arm, cells in zip(summary["arm"], tables.cells(summary))
        ],
        "notes": notes.notes(summary),
        "captions": {path: CAPTIONS[path.stem] for path in pictures},
        "count": _count(runs),
        "runs": [_run(run, out) for run in runs],
    }


def _run(run: Run, out: Path) -> dict[str, Any]:
    result = run.result
    status = result["status"]
    if result["collapsed"] and status != "diverged":
        status = "collapsed"
    cells = (
        f"{result['average_last_loss']:.4g}",
        f"{result['test_accuracy']:.2f}%",
        status,
        f"{result.get('seconds', 0) / 60:.1f} min",
    )
    # Runs that are kept as rows have no directory.
    path = link(os.path.relpath(run.path, out)) if run.path.exists() else None
    return {"name": run.path.name, "link": path, "cells": cells}


def _environments(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The distinct environments, with the commands that ran in each."""
    by_place: dict[str, list[Run]] = {}
    for run in runs:
        place = [run.meta.get(name) for name in ("commit", "versions", "machine")]
        by_place.setdefault(json.dumps(place), []).append(run)
    return [
        {
            "count": _count(group),
            "commit": group[0].meta.get("commit"),
            "versions": _words(group[0].meta.get("versions")),
            "machine": _words(group[0].meta.get("machine")),
            "commands": dict.fromkeys(run.meta.get("command") for run in group),
        }
        for group in by_place.values()
    ]


def _words(about: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (about or {}).items())


def _count(runs: Sequence[Run]) -> str:
    return f"{len(runs)} {plural(len(runs), 'run')}"


def _embedded(path: Path) -> markupsafe.Markup:
    kind = {".svg": "svg+xml", ".png": "png"}[path.suffix]
    content = base64.b64encode(path.read_bytes()).decode()
    return markupsafe.Markup(f"data:image/{kind};base64,{content}")
