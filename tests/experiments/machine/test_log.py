"""The log of a result directory: all that was shown, and nothing lost."""

import datetime
import io
import os
import re
import subprocess
import sys

import pytest

from experiments.commands.cli import main
from experiments.machine import log
from experiments.machine.progress import Progress
from experiments.machine.stopping import BUDGET_SPENT, tell
from experiments.runs import single
from tests.helpers import small

STAMP = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d)( {2}(.*))?")


def lines(out):
    """The log's lines without their times, which must be ones, in order."""
    matches = [STAMP.fullmatch(x) for x in (out / log.FILE).read_text().splitlines()]
    times = [datetime.datetime.fromisoformat(match[1]) for match in matches]
    assert times == sorted(times)
    return [match[3] or "" for match in matches]


@pytest.mark.usefixtures("undrawn")
def test_the_log_has_what_a_wide_terminal_showed(tmp_path, capsys, monkeypatch):
    """A narrow one turns the table, and the log does not."""
    monkeypatch.setenv("COLUMNS", "220")
    argv = small("compare", "--seeds", "0", "--out", str(tmp_path))
    argv += ["--arms", "base", "lm", "warmup", "--warmup-steps", "50"]
    assert main([*argv, "--time-budget", "0"]) == BUDGET_SPENT
    assert main([*argv, "--resume"]) == 0
    shown = capsys.readouterr()
    logged = lines(tmp_path)
    for said in (shown.out, shown.err):
        # The table's lines end in blanks on a terminal.
        assert {x.rstrip() for x in said.splitlines()} <= {*logged, ""}
    assert sum(line.startswith("$ ") for line in logged) == 2
    stopped = "the time budget is spent: --resume continues from here"
    assert logged.index(stopped) < logged.index("run 1 of 3")
    assert any(line.startswith("note: --warmup-steps 50") for line in logged)
    assert main([*argv, "--overwrite", "--time-budget", "0"]) == BUDGET_SPENT
    assert sum(line.startswith("$ ") for line in lines(tmp_path)) == 1


def test_an_error_and_its_traceback_are_logged(tmp_path, monkeypatch, capsys):
    def fails(*args, **options):
        raise RuntimeError("no memory")

    monkeypatch.setattr(single, "run", fails)
    try:
        main(small("train", "--out", str(tmp_path)))
    except RuntimeError:
        logged = lines(tmp_path)
        assert logged[-1] == "RuntimeError: no memory"
        assert "Traceback (most recent call last):" in logged
    else:
        raise AssertionError("it did not fail")
    # Nothing of a later command gets into it.
    assert main(["trian"]) == 2
    assert lines(tmp_path) == logged


def test_a_kill_loses_no_line(tmp_path):
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from experiments.machine import log\n"
        "log.begin()\n"
        "log.LOG.info('before there was a file')\n"
        "log.keep(Path(sys.argv[1]) / 'log.txt', '$ command')\n"
        "for i in range(100): log.LOG.info(f'line {i}')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    expected = ["$ command", "before there was a file"]
    assert lines(tmp_path) == [*expected, *(f"line {i}" for i in range(100))]


def test_what_is_said_is_fit_to_print(tmp_path):
    log.keep(tmp_path / log.FILE, "$ command")
    log.LOG.info("one\x1b[2J\ntwo \u202egnp 100%")
    log.end()
    assert lines(tmp_path) == ["$ command", "one�[2J", "two �gnp 100%"]


def test_a_log_that_cannot_be_written_ends_nothing(tmp_path, capsys):
    log.keep(tmp_path / "nowhere" / log.FILE, "$ command")
    log.LOG.info("x")
    log.keep(tmp_path / log.FILE, "$ another")
    log.LOG.info("y")
    (handler,) = log.LOG.handlers
    os.dup2(os.open(tmp_path / log.FILE, os.O_RDONLY), handler.stream.fileno())
    log.LOG.info("z")  # writing to it fails
    log.end()
    assert lines(tmp_path) == ["$ another", "y"]
    assert capsys.readouterr().err == ""


def test_a_line_is_one_write_so_that_lines_of_processes_do_not_mix(monkeypatch):
    class Stream(io.StringIO):
        def write(self, text):
            written.append(text)
            return len(text)

    written: list[str] = []
    monkeypatch.setattr(sys, "stdout", Stream())
    monkeypatch.setattr(sys, "stderr", Stream())
    log.say("said")
    Progress().line("a line")
    tell("told")
    assert [text for text in written if text] == ["said\n", "a line\n", "told\n"]
