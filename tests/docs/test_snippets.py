"""Every code block of README and docs: Python runs as pasted, commands are ones."""

import importlib
import re
import runpy
import tomllib

import pytest

from benchmarks.__main__ import BENCHMARKS
from experiments.commands import parsing
from experiments.commands.cli import COMMANDS
from tests.docs.snippets import PAGES, ROOT, blocks, commands

TABLES = {"experiments": COMMANDS, "benchmarks": BENCHMARKS}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
    "optional-dependencies"
]
WITH_PYTHON = [
    page for page in PAGES if any(b.language == "python" for b in blocks(page))
]
MARKS = {
    "pytorch_beside_jax": pytest.mark.torch,
    "transformer": pytest.mark.slow,  # a minute
}
EXAMPLES = [
    pytest.param(file, marks=MARKS.get(file.stem, ()))
    for file in sorted((ROOT / "examples").glob("*.py"))
]


def name_of(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name_of)
def test_the_python_of_a_page_runs_as_pasted(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for block in blocks(page):
        if block.language == "python":
            # Lines of a traceback are the page's.
            code = "\n" * (block.line - 1) + block.code
            exec(compile(code, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_commands_of_a_page_are_accepted(page):
    for words in commands(page):
        if words[0] == "taskset":  # on a core, in the background
            words = words[3:-1]
        if words[:2] == ["python", "-m"]:
            check_module(words)
        elif words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= TARGETS, words
        elif words[:2] == ["pip", "install"]:
            extras = re.findall(r"[\w-]+", "".join(re.findall(r"\[(.*)\]", words[2])))
            assert set(extras) <= set(EXTRAS), words
        else:
            assert words[0] in (
                "git",
                "cd",
                "export",
                "sbatch",
                "for",
                "done",
                "wait",
            ), words


def check_module(words):
    module, *rest = words[2:]
    if module not in TABLES or not rest or not rest[0].islower():
        return  # another program, or a placeholder such as COMMAND
    if rest == ["--version"]:
        return
    name, *options = rest
    assert name in TABLES[module], words
    config_class = importlib.import_module(TABLES[module][name][0]).Config
    config = parsing.parse(config_class, options, f"{module} {name}")
    if hasattr(config, "check"):
        config.check()


@pytest.mark.parametrize("file", EXAMPLES, ids=name_of)
def test_an_example_runs(file, capsys):
    if "torch" in file.name:
        pytest.importorskip("torch")
    runpy.run_path(str(file), run_name="__main__")
    assert capsys.readouterr().out
