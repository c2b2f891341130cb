"""`list`: each state, from sound and from damaged directories; nothing is written."""

import fcntl
import json
import os
import shutil

import pytest

from experiments.commands.cli import main
from experiments.runs import growing
from experiments.runs.listing import states
from experiments.runs.run_directory import find_runs
from tests import damage
from tests.helpers import CONFIG, PAIRS, make_run, tree, written

RUNNING = {("base", 20): 80.0}


@pytest.fixture
def runs(tmp_path):
    """Four finished runs, and one that grows: two of its three epochs are tested."""
    written(tmp_path / "runs", PAIRS)
    run = make_run(tmp_path, "base", 20, 80.0)
    config = type(CONFIG)(**{**vars(run.config), "epochs": 3})
    rows = growing.Rows(tmp_path / "runs" / config.run_id, config)
    rows.begin()
    rows.add("steps", run.steps)
    rows.add("epochs", run.epochs)
    return tmp_path / "runs"


def unfinished(runs):
    (live,) = runs.glob(".*.live")
    return live


def only(runs):
    """The state of the run that is not finished."""
    (state,) = (s for s in states(runs) if not (s.path / "result.json").exists())
    return state


def lock(runs):
    live = unfinished(runs)
    return live.with_name(live.name.replace(".live", ".lock"))


def test_states_of_sound_runs(runs, capsys):
    before = tree(runs.parent)
    assert main(["list", str(runs.parent)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == str(runs)
    assert len(shown) == 7
    for line, run in zip(
        [line for line in shown if "finished" in line], find_runs([runs])
    ):
        accuracy = f"{run.result['test_accuracy']:.2f}%"
        words = ["finished", "epoch", "2/2", accuracy, run.path.name]
        assert line.split() == words
    (line,) = (line for line in shown if "interrupted " in line)
    assert line.split()[:4] == ["interrupted", "epoch", "2/3", "80.00%"]
    assert shown[-1] == "5 runs: 4 finished, 1 interrupted"
    assert tree(runs.parent) == before


def test_a_run_that_is_locked_is_running(runs):
    with open(lock(runs), "w") as file:
        assert only(runs).word == "interrupted"
        fcntl.flock(file, fcntl.LOCK_EX)
        assert only(runs)[1:5] == ("running", 2, 3, 80.0)
    assert only(runs).word == "interrupted"


def test_a_row_that_is_being_written_does_not_count(runs):
    epochs = unfinished(runs) / "epochs.csv"
    epochs.write_bytes(epochs.read_bytes() + b"3,99.")
    assert only(runs)[1:5] == ("interrupted", 2, 3, 80.0)
    epochs.write_bytes(epochs.read_bytes()[:10])
    assert only(runs).word == "damaged"


def test_a_diverged_run_says_so(runs):
    path = find_runs([runs])[0].path
    steps = (path / "steps.csv").read_text().splitlines()
    cells = steps[-1].split(",")
    steps[-1] = ",".join([*cells[:2], "inf", *cells[3:]])
    (path / "steps.csv").write_text("\n".join(steps) + "\n")
    result = json.loads((path / "result.json").read_text())
    result.pop("digest")
    (path / "result.json").write_text(json.dumps(result | {"status": "diverged"}))
    (state,) = (s for s in states(runs) if s.path == path)
    assert (state.word, state.epoch) == ("diverged", 2)


HEADER = b"epoch,test_accuracy,test_loss,seconds\n"
DAMAGED = {
    "another's configuration": damage.with_values("config.json", seed=3),
    "no configuration": damage.with_content("config.json", b"[]"),
    "an epoch too many": damage.with_content(
        "epochs.csv", HEADER + b"".join(b"%d,1,1,1\n" % i for i in range(1, 5))
    ),
    "an epoch twice": damage.with_content("epochs.csv", HEADER + b"1,1,1,1\n" * 2),
    "accuracy": damage.with_content("epochs.csv", HEADER + b"1,101,1,1\n"),
    "not UTF-8": damage.with_content("epochs.csv", b"\xff\n"),
    "directory": damage.replaced("config.json", damage.FILES["directory"]),
}


@pytest.mark.parametrize("change", DAMAGED.values(), ids=list(DAMAGED))
def test_what_does_not_agree_is_not_believed(change, runs, capsys):
    change(unfinished(runs))
    state = only(runs)
    assert state.word == "damaged"
    assert (state.epoch, state.accuracy) == (None, None)
    assert state.reason.isprintable()
    assert main(["list", str(runs)]) == 0
    shown = capsys.readouterr().out
    assert shown.replace("\n", "").isprintable()
    assert "4 finished" in shown


def test_a_damaged_finished_run_is_named(runs):
    path = find_runs([runs])[0].path
    (path / "epochs.csv").write_text("epoch\n1\n")
    (state,) = (s for s in states(runs) if s.path == path)
    assert state.word == "damaged"
    assert "epochs.csv" in state.reason
    (path / "result.json").unlink()
    (state,) = (s for s in states(runs) if s.path == path)
    assert (state.word, state.reason) == ("damaged", "it has no result.json")


def test_links_are_not_followed_and_pipes_do_not_hang(runs, tmp_path):
    before = states(runs)
    (runs / "up").symlink_to(runs.parent)
    other = CONFIG.run_id.replace("-s0-", "-s7-")
    os.mkfifo(runs / f".{other}.lock")
    elsewhere = shutil.copytree(unfinished(runs), tmp_path / "elsewhere")
    shutil.rmtree(unfinished(runs))
    name = before[[s.word for s in before].index("interrupted")].path.name
    (runs / f".{name}.live").symlink_to(elsewhere)
    now = {s.path.name: s for s in states(runs)}
    assert now[name].epoch is None
    assert now[other].word == "interrupted"
    assert len(now) == len(before) + 1


def test_nothing_to_list_is_said(tmp_path, capsys):
    assert main(["list", str(tmp_path)]) == 2
    assert "there is no run or study under" in capsys.readouterr().err
    assert main(["list", str(tmp_path / "nowhere")]) == 2
