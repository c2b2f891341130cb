"""The published numbers, and what contradicts itself among them."""

import csv
import math
from pathlib import Path

import pytest

from experiments.config.tables import PUBLISHED, TABLES
from experiments.report.thesis import published

ROWS = published()


def test_every_table_has_its_rows():
    by_table = {}
    for row in ROWS.values():
        by_table.setdefault(row.table, []).append(row)
    assert set(by_table) == set(PUBLISHED)
    for name, rows in by_table.items():
        table = TABLES[name]
        assert {row.dataset for row in rows} == {table.dataset}
        assert {row.model for row in rows} == set(table.networks)
        # Four optimizers, or SGD-SWA for each network; with and without LM.
        assert len(rows) == (2 * len(table.networks) if table.swa else 8)


def test_a_loss_of_guessing_with_an_accuracy_above_it_is_marked():
    adam = ROWS["cifar10", "vgg16", "adam", "base"]
    assert math.isclose(adam.average_last_loss, math.log(10), abs_tol=0.005)
    assert adam.test_accuracy == 48.66
    assert any("guessing" in words for words in adam.contradictions)


def test_most_rows_are_not_marked():
    marked = [row for row in ROWS.values() if row.contradictions]
    assert 0 < len(marked) < len(ROWS) / 2


@pytest.mark.skipif(
    not Path("../shared/thesis/tables.csv").exists(), reason="the source is not here"
)
def test_the_numbers_are_the_source_s():
    with open("../shared/thesis/tables.csv", newline="") as file:
        source = list(csv.DictReader(file))
    ours = {(r.table, r.model, r.optimizer, r.arm): r for r in ROWS.values()}
    for row in source:
        key = (row["table"], row["model"], row["optimizer"], row["arm"])
        if key in ours:
            assert ours[key].digits == row["test_accuracy"]
            assert ours[key].average_last_loss == float(row["average_last_loss"])
