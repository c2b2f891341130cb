"""The words of the page on bad batches, against the verdicts of its tables."""

import pytest

from experiments.batches.networks import NETWORKS
from experiments.batches.remedies import REMEDIES
from tests.docs.bad_batches import z_score_p
from tests.docs.rows import RESULTS, cell, frame


def verdict(network, arm, rival):
    return cell("batches", "The frontiers", [network, arm], rival).strip("*")


OUTSIDE = {  # LM, by a margin of half a point
    "MLP, SGD": {"z-score clip", "skip", "AdaGC"},
    "MLP, Adam": {"skip", "AdaGC", "update clip"},
    "convolutional, Adam": {"update clip"},
}


@pytest.mark.parametrize("network", OUTSIDE)
def test_which_frontiers_lie_outside_which(network):
    for rival in ("clip", "z-score clip", "skip", "AdaGC", "update clip"):
        if (network, rival) != ("MLP, SGD", "update clip"):
            expected = "LM outside" if rival in OUTSIDE[network] else "cannot tell"
            assert verdict(network, "LM", rival) == expected
    assert verdict(network, "LM after", "clip") == "rival outside"


def test_by_some_margin_lm_is_outside_z_score_clipping():
    assert z_score_p("0", "1") == "< 0.001"


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_no_default_costs_accuracy_without_faults(optimizer):
    for name, remedy in REMEDIES.items():
        if name != "base" and remedy.serves(optimizer.lower(), shift=False):
            row = [f"MLP, {optimizer}", f"{remedy.label} {remedy.default:g}"]
            shown = cell("batches", "What the defaults change", row, "no faults")
            assert shown.endswith("equal"), row


def test_the_learning_rates_are_the_best_of_five():
    files = sorted((RESULTS / "batches/rows").glob("*-rates.csv.gz"))
    assert len(files) >= 3
    for path in files:
        network, optimizer, _ = path.name.split("-")
        runs = frame(f"batches/rows/{path.name}")
        best = runs.groupby("strength")["held_out_accuracy"].mean().idxmax()
        assert best == NETWORKS[network].rates[optimizer], path.name
