"""Names, rows, tables, texts and random numbers are what they were; see record.py."""

import signal

import pytest

from experiments.train.trainer import Trainer
from tests.goldens import record


def kept(name):
    return (record.HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", ["run_names", "texts", "streams"])
def test_what_the_code_gives_is_what_it_gave(name):
    assert list(record.MADE[name]()) == kept(name)


@pytest.mark.parametrize(
    "names",
    [
        [name for name in record.studies() if name not in record.LARGE],
        pytest.param(record.LARGE, marks=pytest.mark.slow),
    ],
    ids=["small", "large"],
)
def test_committed_rows_are_those_of_before_and_give_the_committed_tables(
    names, tmp_path
):
    before = [
        line for line in kept("results") if line.split("  ")[1].split("/")[0] in names
    ]
    assert before
    assert list(record.of_results(tmp_path, names)) == before
    for made in tmp_path.glob("*/tables.md"):
        committed = record.ROOT / "results" / made.relative_to(tmp_path)
        assert made.read_bytes() == committed.read_bytes(), committed


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("sweep") / "whole"
    status, said = record.called([*record.SWEEP.split(), "--out", str(out)])
    assert status == 0, said
    return list(record.of_runs(out))


def test_a_sweep_is_the_one_of_before_to_the_bit(whole):
    first, *before = kept("sweep")
    assert [line.split(": ")[0] for line in whole] == [
        line.split(": ")[0] for line in before
    ]
    if first != f"# {record.machine()}":
        pytest.skip(f"made on another machine: {first}")
    assert whole == before


def test_a_resumed_sweep_equals_an_uninterrupted_one(whole, tmp_path, monkeypatch):
    """Stopped by a signal in the test after an epoch, three times."""
    argv = [*record.SWEEP.split(), "--out", str(tmp_path / "out")]
    argv += ["--checkpoint-minutes", "0"]
    evaluate, stops = Trainer.evaluate, []

    def stopped(*arguments, **options):
        if len(stops) < 3:
            stops.append(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
        return evaluate(*arguments, **options)

    monkeypatch.setattr(Trainer, "evaluate", stopped)
    status, said = record.called(argv)
    while status == 128 + signal.SIGTERM:
        status, said = record.called([*argv, "--resume"])
    assert status == 0, said
    assert len(stops) == 3
    assert list(record.of_runs(tmp_path / "out")) == whole
