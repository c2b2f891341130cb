"""`pictures`: the benchmarks' rows, drawn."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.errors import UserError
from experiments.files import replacing

Figures = Mapping[str, Any]  # a JSON file of a benchmark


@dataclasses.dataclass(frozen=True)
class Config:
    """Draw speed.png, batches.png and profile.png from the rows of a directory."""

    rows: Path = Path("results/performance")
    """The directory with the benchmarks' JSON files."""
    out: Path = Path("docs/images")
    """Where the pictures go."""


def run(config: Config) -> None:
    files = {path: json.loads(path.read_text()) for path in config.rows.glob("*.json")}
    if not files:
        raise UserError(f"{config.rows} has no JSON files")
    config.out.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, tuple[str, Callable[[Sequence[Figures], Path], None]]] = {
        "speed": ("*jax-*.json", draw_speed),
        "batches": ("batches*.json", draw_batches),
        "profile": ("profile*.json", draw_profile),
    }
    for name, (pattern, draw) in pictures.items():
        chosen = [files[path] for path in sorted(files) if path.match(pattern)]
        if chosen:
            draw(chosen, config.out / f"{name}.png")
            print(config.out / f"{name}.png")


def draw_speed(files: Sequence[Figures], path: Path) -> None:
    """PyTorch's time over ours, a bar for each network of each file, with its range."""
    from experiments import style

    models = list(dict.fromkeys(row["model"] for file in files for row in _rows(file)))
    height = 0.8 / len(files)
    with style.figure(1, 1, 6.4, 0.8 + 0.25 * len(models) * len(files)) as (fig, axes):
        axis = axes[0][0]
        for number, file in enumerate(files):
            rows = {row["model"]: row for row in _rows(file)}
            for place, model in enumerate(models):
                if model not in rows:
                    continue
                row = rows[model]
                y = place + (number - (len(files) - 1) / 2) * height
                low, high = row["speed_ratio_range"]
                axis.barh(
                    y,
                    row["speed_ratio"],
                    0.9 * height,
                    color=style.OTHER_COLOURS[number % len(style.OTHER_COLOURS)],
                    label=_where(file, row["jax"]) if row is _rows(file)[0] else None,
                )
                axis.plot([low, high], [y, y], color="black", lw=1)
        axis.axvline(1, color="black", lw=0.8, ls="--")
        axis.set_yticks(range(len(models)), models)
        axis.invert_yaxis()
        axis.grid(visible=False, axis="y")
        axis.set_xlabel("PyTorch's time over ours: right of 1 we are faster")
        axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
        with replacing(path) as part:
            fig.savefig(part)


def _rows(file: Figures) -> list[dict[str, Any]]:
    return [row for row in file["rows"] if "speed_ratio" in row]


def _where(file: Figures, side: Figures) -> str:
    onednn = ", oneDNN" if file["settings"].get("onednn") else ""
    return f"{side['machine']['cpu']}, jax {side['versions']['jax']}{onednn}"


def draw_batches(files: Sequence[Figures], path: Path) -> None:
    """Images a second and peak memory over the batch, both sides."""
    from experiments import style

    with style.figure(1, 2) as (fig, axes):
        batches = sorted({row["batch"] for file in files for row in file["rows"]})
        number = 0
        for file in files:
            for model in dict.fromkeys(row["model"] for row in file["rows"]):
                rows = [row for row in file["rows"] if row["model"] == model]
                for name, line in (("jax", "o-"), ("torch", "s--")):
                    have = [row for row in rows if name in row]
                    for axis, column in zip(axes[0], ("images_a_second", "peak_mib")):
                        axis.plot(
                            [row["batch"] for row in have],
                            [row[name][column] for row in have],
                            line,
                            color=style.OTHER_COLOURS[number],
                            ms=4,
                            label=_side(model, name, rows[0]),
                        )
                number += 1
        for axis, label in zip(axes[0], ("images a second", "peak memory (MiB)")):
            axis.set_xscale("log", base=2)
            axis.set_xticks(batches, batches)
            axis.set_ylim(bottom=0)
            axis.set_xlabel("images a step")
            axis.set_ylabel(label)
        axes[0][0].legend()
        with replacing(path) as part:
            fig.savefig(part)


def _side(model: str, name: str, row: Figures) -> str:
    versions = row[name]["versions"] if name in row else {}
    version = versions.get(name, "").split("+")[0]
    return f"{model}, {'PyTorch' if name == 'torch' else name} {version}"


def draw_profile(files: Sequence[Figures], path: Path) -> None:
    """Milliseconds of a step by kind of operation: axes per network, a bar per side."""
    from experiments import style

    rows = [row for file in files for row in file["rows"]]
    models = list(dict.fromkeys(row["model"] for row in rows))
    kinds = list(dict.fromkeys(kind for row in rows for kind in row["milliseconds"]))
    colours = dict(zip(kinds, (*style.OTHER_COLOURS, "#D55E00", "#999999", "#F0E442")))
    with style.figure(len(models), 1, 6.4, 1.3) as (fig, axes):
        for (axis,), model in zip(axes, models):
            sides = [row for row in rows if row["model"] == model]
            for place, row in enumerate(sides):
                left = 0.0
                for kind in kinds:
                    width = row["milliseconds"].get(kind, 0.0)
                    axis.barh(place, width, left=left, color=colours[kind], label=kind)
                    left += width
            axis.set_yticks(range(len(sides)), [row["side"] for row in sides])
            axis.invert_yaxis()
            axis.grid(visible=False, axis="y")
            axis.set_title(model)
        axes[-1][0].set_xlabel("ms of a step")
        handles, labels = axes[0][0].get_legend_handles_labels()
        unique = dict(zip(labels, handles))
        fig.legend(
            unique.values(), unique, loc="outside lower center", ncols=4, fontsize=8
        )
        with replacing(path) as part:
            fig.savefig(part)
