"""The committed studies: their tables are those of their rows and of the whole plan."""

from pathlib import Path

import pytest

from experiments.stability import rows, tables

ROOT = Path(__file__).resolve().parents[3]
STUDIES = rows.STUDY.below(ROOT / "results")

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
    found, cases = rows.read(study), rows.STUDY.known(study)
    assert (study / "tables.md").read_text(encoding="utf-8") == tables.tables(
        found, cases
    )
    assert set(found["seed"]) == set(range(2000, 2048))
    assert "/home/" not in (study / rows.STUDY.index).read_text(encoding="utf-8")
