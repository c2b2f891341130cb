"""The committed studies: their tables are those of their rows and of the whole plan."""

from pathlib import Path

import pytest

from experiments.stability.rows import joined
from experiments.stability.study import STUDY
from experiments.study import store

ROOT = Path(__file__).resolve().parents[3]
STUDIES = store.below(STUDY, ROOT / "results")

# The resamples of the large study take a quarter of a minute.
CHECKED = [
    pytest.param(
        study,
        id=study.name,
        marks=pytest.mark.slow if study.name == "stability" else (),
    )
    for study in STUDIES
]


@pytest.mark.parametrize("study", CHECKED)
def test_committed_tables_are_those_of_the_rows(study):
    rows, index = store.read(STUDY, study), store.index(STUDY, study)
    words = STUDY.words(rows, index)
    assert (study / "tables.md").read_text(encoding="utf-8") == words
    assert set(joined(rows, "rows")["seed"]) == set(range(2000, 2048))
    assert "/home/" not in (study / STUDY.index).read_text(encoding="utf-8")
