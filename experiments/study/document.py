"""tables.md and the pictures of a study, from its rows; its section of a report."""

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import text
from experiments.errors import UserError
from experiments.machine import files
from experiments.report import style
from experiments.runs import provenance
from experiments.study import registry, store
from experiments.study.record import Rows, Study


def write(study: Study, out: Path) -> None:
    """Make tables.md and the pictures of a study from its rows."""
    drawing = style.Drawing()
    write_with(drawing, study, out)
    drawing.raise_failures()


def write_with(drawing: style.Drawing, study: Study, out: Path) -> Rows:
    """Like `write`, but `drawing` collects pictures that could not be drawn."""
    rows, index = store.read(study, out), store.index(study, out)
    try:
        words = study.words(rows, index)
    # What rows may lack of each other shows in many ways, and so does a bug.
    except (LookupError, ValueError, TypeError, ArithmeticError) as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise UserError(
            f"{out}: tables.md cannot be made: {type(error).__name__}: {error} "
            f"({Path(place.filename).name}, line {place.lineno}): its index and rows "
            f"contradict each other, or the {study.name} has a bug"
        ) from error
    files.write_text(out / "tables.md", words)
    for name, draw in study.pictures(rows, index).items():
        drawing.of(draw, out / name)
    return rows


def below(root: Path) -> dict[Path, Study]:
    """All studies at or below a directory."""
    return {
        path: study for study in registry.studies() for path in store.below(study, root)
    }


def raise_failures(damaged: Sequence[str], drawing: style.Drawing) -> None:
    """At the end of a command: the studies that it had to leave out, or pictures."""
    if damaged:
        raise UserError("; ".join(damaged))
    drawing.raise_failures()


def sections(rows: Mapping[Path, tuple[Study, Rows]]) -> list[dict[str, Any]]:
    """Title, path and captions (by picture) of each study, for a report."""
    titles = [study.title(of) for study, of in rows.values()]
    names = [path.name for path in rows]
    if len(set(zip(titles, names))) < len(names):
        names = [str(path) for path in rows]
    return [
        {
            "title": f"{title} ({name})" if titles.count(title) > 1 else title,
            "path": path,
            "captions": {
                path / file: caption
                for file, caption in study.captions.items()
                if (path / file).is_file()
            },
        }
        for (path, (study, _)), title, name in zip(rows.items(), titles, names)
    ]


def origin(parts: Mapping[str, Mapping[str, Any]]) -> str:
    """A study's commands, machines and time as Markdown, from its index."""
    commands = dict.fromkeys(str(about["command"]) for about in parts.values())
    machines = dict.fromkeys(
        text.markdown(provenance.in_words(about)) for about in parts.values()
    )
    seconds = sum(float(about.get("seconds") or 0) for about in parts.values())
    return (
        f"{text.code_block(list(commands))}\n"
        f"Run on: {'; '.join(machines)}; {seconds / 60:.0f} minutes in total.\n"
    )


def lines(study: Study, out: Path) -> Sequence[str]:
    """A study for `list`: a line for each part with its state."""
    try:
        index = store.index(study, out)
    except UserError as error:
        return [f"{out}: {study.name}, damaged ({error})"]
    lacking = store.unfinished(study, out, index.parts) | index.damaged
    states = []
    for part, about in index.parts.items():
        if part not in lacking:
            rows = store.rows_of(study, out, part, about)
            states.append(f"  finished  {study.line(part, rows)}")
    states += [f"  damaged   {part} ({reason})" for part, reason in lacking.items()]
    states += [f"  running   {part}" for part in store.running(out)]
    for part, count in store.interrupted(out).items():
        pieces = text.plural(count, "piece")
        states.append(f"  begun     {part}: {count} {pieces} (--resume continues it)")
    finished = len(index.parts.keys() - lacking.keys())
    return [f"{out}: {study.name}, {study.count(finished)}", *states]
