"""Pictures at a look: nothing is cut at the frame, no legend lies over a line."""

import dataclasses

import pytest

from experiments.commands import figure
from experiments.report import curves, style
from tests.helpers import make_run

ARMS = ("base", "lm", "clip", "warmup", "shuffled_scale", "lm_after", "momo")


def runs(path, arms, optimizers=("sgd",), rates=(0.01,), **changes):
    made = [
        make_run(path, arm, seed, 80.0 + seed, optimizer=optimizer)
        for optimizer in optimizers
        for arm in arms
        for seed in (0, 10)
    ]
    return [
        dataclasses.replace(
            run, config=dataclasses.replace(run.config, learning_rate=rate, **changes)
        )
        for run in made
        for rate in rates
    ]


LONG = {"limit_train": 1000, "validation": 100, "until_above_chance": True}
CASES = {
    "one with a long title": {"arms": ("base", "lm"), **LONG},
    "two with many arms": {"arms": ARMS, "optimizers": ("sgd", "adam"), **LONG},
}


@pytest.fixture
def looked_at(monkeypatch):
    """Looks at each figure that is saved; gives how many those were."""
    seen = []

    def look(fig, path):
        fig.canvas.draw()
        whole = fig.bbox.padded(1)
        texts = [axis.title for axis in fig.axes]
        texts += [fig._suptitle] if fig._suptitle else []
        texts += [axis.xaxis.label for axis in fig.axes]
        texts += [axis.yaxis.label for axis in fig.axes]
        for legend in fig.legends:
            texts += legend.get_texts()
            box = legend.get_window_extent()
            for axis in fig.axes:
                assert not box.overlaps(axis.bbox), "a legend covers axes"
        assert not any(axis.get_legend() for axis in fig.axes)
        for text in texts:
            if text.get_text():
                box = text.get_window_extent()
                inside = [whole.contains(*corner) for corner in (box.min, box.max)]
                assert all(inside), f"cut: {text.get_text()!r}"
        seen.append(path)

    monkeypatch.setattr(style, "save", look)
    return seen


@pytest.mark.parametrize("case", CASES)
def test_curves_are_whole(case, tmp_path, looked_at):
    curves.draw_curves(runs(tmp_path, **CASES[case]), tmp_path)
    assert len(looked_at) == 4


def test_the_rows_of_an_arm_are_told_apart(tmp_path):
    grid = runs(tmp_path, ("base", "lm"), rates=(0.01, 0.03, 0.1))
    with style.picture(tmp_path / "x.png") as axes:
        curves.draw_quantity(axes[0][0], grid, "loss")
        looks = {(line.get_color(), line.get_linestyle()) for line in axes[0][0].lines}
    assert len(looks) == len(axes[0][0].lines) == 6
    assert len({color for color, _ in looks}) == 2


def test_figures_of_the_thesis_are_whole(tmp_path, looked_at):
    parts = [
        runs(tmp_path, ("base", "lm"), dataset="cifar10", model=model, **LONG)
        for model in ("preresnet110", "vgg16")
    ]
    figure._draw(figure.FIGURES["3.7"], parts, tmp_path / "figure.png")
    assert len(looked_at) == 1
