"""The report's HTML: everything in one file, for a screen, a phone and paper."""

import base64
import json
import os
from collections.abc import Sequence
from pathlib import Path

from experiments.config.arms import LM
from experiments.config.asked import Asked
from experiments.report import notes, tables
from experiments.runs.run_directory import Run
from experiments.text import html, link

ONE_PANEL = 800  # the largest width in pixels of a one-panel picture
_STYLE = """
:root { color-scheme: light; --line: #ddd; --accent: #D55E00; }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff;
       max-width: 76rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; }
h2 { font-size: 1.2rem; border-top: 2px solid var(--accent); padding-top: .7rem;
     margin-top: 2.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem;
        font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: left;
         white-space: nowrap; }
th { border-bottom: 2px solid #222; vertical-align: bottom; }
.summary th, .summary td { padding: .3rem .45rem; }
.summary th, .summary td:nth-child(2) { white-space: normal; }
.summary td:nth-child(2) { min-width: 11rem; }
tr.yes td:first-child { border-left: 4px solid var(--accent); }
td:first-child, th:first-child { border-left: 4px solid transparent; }
img { max-width: 100%; height: auto; }
.note, figcaption, footer { color: #555; font-size: .85rem; max-width: 45rem; }
figure { margin: 0; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem 2rem; }
details { margin: .6rem 0; }
summary { cursor: pointer; }
code { font-size: .8rem; overflow-wrap: anywhere; white-space: normal; }
@media (max-width: 40rem) { figure { overflow-x: auto; }
  img.broad { max-width: none; width: 52rem; } .figures { display: block; } }
@media print { body { max-width: none; font-size: 10pt; padding: 0; }
  h2 { break-after: avoid; } figure, tr { break-inside: avoid; }
  .wide { overflow: visible; } table { font-size: 7.5pt; width: 100%; }
  th, td { white-space: normal; padding: .1rem .2rem; } }
"""


def page(
    title: str,
    effects: Sequence[Path],
    sections: Sequence[str],
    runs: Sequence[Run],
    studies: Sequence[str] = (),
) -> str:
    """The whole page.

    Args:
      title: heading.
      effects: picture of what each arm gained, if there is one.
      sections: from `section`.
      runs: all of them, for the environment.
      studies: HTML about the studies, which comes first.
    """
    caption = (
        "The gain of each arm over the plain optimizer with the same seed. Crosses are "
        "seeds, dots their mean, bars its 95% interval."
    )
    overview = "".join(figure(picture, caption) for picture in effects)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{html(title)}</h1>
<p class="note">{len(runs)} runs. This whole page was made from their directories
by <code>python -m experiments report</code>.</p>
{"".join(studies)}
{overview}
{"".join(sections)}
<h2>Environment</h2>
{_environment(runs)}
</body>
</html>
"""


def section(
    runs: Sequence[Run],
    pictures: Sequence[Path],
    out: Path,
    asked: Asked = notes.NOTHING,
) -> str:
    """The part of the page on one table's runs; links are relative to `out`."""
    summary = tables.summarize(runs, asked)
    below = "".join(
        f'<p class="note">{html(n)}</p>' for n in notes.notes(summary, asked)
    )
    body = "".join(
        f"<tr{' class=yes' if arm == LM.name else ''}>" + _cells("td", row) + "</tr>"
        for arm, row in zip(summary["arm"], tables.cells(summary))
    )
    header = _cells("th", tables.header(summary, asked))
    count = f"{len(runs)} run" + ("s" if len(runs) > 1 else "")
    run_header = _cells("th", ("run", "last loss", "accuracy", "status", "time"))
    captions = {
        "loss": "Training loss, averaged over 20 steps. Line: mean over the seeds; "
        "band: smallest to largest.",
        "test_accuracy": "Test accuracy after each epoch.",
        "c": "The threshold c.",
        "scale": "The factor that multiplied the gradients.",
    }
    figures = "".join(figure(path, captions[path.stem]) for path in pictures)
    return f"""
<h2>{html(tables.title(runs))}</h2>
<div class="wide"><table class="summary"><thead><tr>{header}</tr></thead>
<tbody>{body}</tbody></table></div>
{below}
<div class="figures">{figures}</div>
<details><summary>{count}</summary><div class="wide"><table>
<thead><tr>{run_header}</tr></thead>
<tbody>{"".join(_run_row(run, out) for run in runs)}</tbody></table></div></details>
"""


def _run_row(run: Run, out: Path) -> str:
    result = run.result
    name = html(run.path.name)
    if run.path.exists():  # not for runs that are kept as rows
        name = f'<a href="{link(os.path.relpath(run.path, out))}">{name}</a>'
    status = result["status"]
    if result["collapsed"] and status != "diverged":
        status = "collapsed"
    texts = (
        f"{result['average_last_loss']:.4g}",
        f"{result['test_accuracy']:.2f}%",
        status,
        f"{result.get('seconds', 0) / 60:.1f} min",
    )
    return f"<tr><td>{name}</td>{_cells('td', texts)}</tr>"


def _environment(runs: Sequence[Run]) -> str:
    """A row per distinct environment, with the commands that ran in it."""
    environments: dict[str, dict] = {}
    for run in runs:
        about = {k: run.meta.get(k) for k in ("commit", "versions", "machine")}
        found = environments.setdefault(
            json.dumps(about), about | {"runs": 0, "commands": {}}
        )
        found["runs"] += 1
        found["commands"][run.meta.get("command")] = None
    parts = []
    for about in environments.values():
        versions = ", ".join(f"{k} {v}" for k, v in (about["versions"] or {}).items())
        machine = ", ".join(f"{k} {v}" for k, v in (about["machine"] or {}).items())
        commands = "".join(
            f"<li><code>{html(command)}</code></li>" for command in about["commands"]
        )
        parts.append(
            f"<p>{about['runs']} runs at commit "
            f"<code>{html(about['commit'])}</code><br>"
            f"{html(versions)}<br>{html(machine)}</p><ul>{commands}</ul>"
        )
    return "".join(parts)


def _cells(tag: str, texts: Sequence[str]) -> str:
    return "".join(f"<{tag}>{html(text)}</{tag}>" for text in texts)


def figure(path: Path, caption: str) -> str:
    """A picture, embedded, with a caption."""
    kind = {".svg": "svg+xml", ".png": "png"}[path.suffix]
    data = path.read_bytes()
    # On a phone, panels side by side scroll instead of shrinking.
    one = kind == "png" and _png_width(data) <= ONE_PANEL
    broad = "" if one else ' class="broad"'
    return (
        f'<figure><img{broad} alt="{html(caption)}" '
        f'src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'
        f"<figcaption>{html(caption)}</figcaption></figure>\n"
    )


def _png_width(data: bytes) -> int:
    return int.from_bytes(data[16:20], "big")
