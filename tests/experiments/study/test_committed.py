"""The committed studies; tests/goldens compares their tables with their rows."""

import pytest

from experiments.study import registry, store

WHOLE = [study for study in registry.studies() if study.committed.exists()]
PLACES = [
    (study, path)
    for study in WHOLE
    for path in store.below(study, study.committed.parent)
]


@pytest.mark.parametrize(
    ("study", "path"), PLACES, ids=lambda of: getattr(of, "name", "")
)
def test_a_committed_study_names_no_path_of_a_machine(study, path):
    index = (path / study.index).read_text(encoding="utf-8")
    assert "/home/" not in index
    assert "--out" not in index
    assert max(file.stat().st_size for file in path.rglob("*")) < 1_000_000
