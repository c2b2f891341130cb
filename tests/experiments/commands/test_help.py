"""--help and --version: groups, true defaults, choices, sixty columns, examples."""

import importlib
import re
import shlex
import subprocess
import sys

import jax
import pytest

import landmod_jax
from experiments.commands import compare, help, parsing, train
from experiments.commands.cli import COMMANDS, main
from experiments.config import networks, spelled
from experiments.config.arms import ARMS
from experiments.config.optimizers import OPTIMIZERS
from experiments.data.datasets import DATASETS


def config_of(command):
    return importlib.import_module(COMMANDS[command][0]).Config


def text_of(command, width=100):
    return help.render(config_of(command), f"python -m experiments {command}", width)


def option(command, name):
    options = help.options(config_of(command))
    (text,) = (o.text for o in options if o.flags.split(" ")[0] == f"--{name}")
    return text


@pytest.mark.parametrize("command", list(COMMANDS))
@pytest.mark.parametrize("width", [60, 80, 200])
def test_help_fits_the_terminal(command, width):
    assert max(map(len, text_of(command, width).splitlines())) <= min(width, 88)


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_option_says_what_it_does_and_its_default(command):
    for listed in help.options(config_of(command)):
        assert re.match(r"[\w.\"]", listed.text), listed
        takes_a_value = " " in listed.flags and not listed.positional
        if takes_a_value:
            assert "(default: " in listed.text or "Required." in listed.text, listed
        for placeholder in ("None", "()", "dataclass", "default: )"):
            assert placeholder not in listed.text, listed


def test_help_without_docstrings_in_the_program_is_the_same():
    """As with -OO or PYTHONOPTIMIZE=2."""
    command = ["-m", "experiments", "compare", "--help"]
    texts = [
        subprocess.run(
            [sys.executable, *options, *command], capture_output=True, check=True
        ).stdout
        for options in ([], ["-OO"])
    ]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("command", list(COMMANDS))
def test_the_example_is_a_command(command):
    example = config_of(command).example
    words = shlex.split(example)
    assert words[:4] == ["python", "-m", "experiments", command]
    config = parsing.parse(config_of(command), words[4:], command)
    if hasattr(config, "check"):
        config.check()
    # Copied from the help at any width, it is the same line.
    for width in (60, 88):
        (shown,) = re.findall(r"example:\n((?:.*\\\n)*.*)\n", text_of(command, width))
        assert shlex.split(shown.replace("\\\n", "")) == words


def test_options_are_in_groups():
    groups = dict.fromkeys(o.group for o in help.options(compare.Config))
    assert list(groups) == [
        "options", "arms, seeds and learning rates", "protocol", "what the arms read",
        "execution", "output", "data and weights", "devices and processes", "tables",
    ]  # fmt: skip
    for command in ("compare", "train"):
        shown = text_of(command)
        for group in dict.fromkeys(o.group for o in help.options(config_of(command))):
            assert f"\n{group}:\n" in shown


def test_the_choices_are_the_library_s():
    for name in spelled.shapes():
        assert re.search(rf"\b{name}\b", option("train", "f")), name
    for name in spelled.thresholds():
        assert re.search(rf"\b{name}\b", option("train", "threshold")), name
    for arm in ARMS:
        assert re.search(rf"\b{arm}\b", option("compare", "arms")), arm
    for name in DATASETS:
        assert name in option("compare", "dataset")
    for command in ("train", "compare"):
        assert "{" + ",".join(OPTIMIZERS) + "}" in text_of(command)


def test_the_defaults_are_what_a_run_gets():
    epochs, rates = option("train", "epochs"), option("train", "learning-rate")
    for model in ("simple_cnn", "nn2", "preresnet110", "vgg16"):
        recipe = networks.hyperparameters(model, "sgd")
        family = model.rstrip("0123456789") if model != "nn2" else model
        assert f"{family} {recipe.epochs}" in epochs
        assert re.search(rf"{recipe.learning_rate:g} for [\w ]*{family}", rates)
        assert recipe.momentum == 0.9
    for name in ("adam", "adagrad", "rmsprop"):
        recipe = networks.hyperparameters("vgg16", name)
        assert re.search(
            rf"{OPTIMIZERS[name].label}[\w ]* {recipe.learning_rate:g}\b", rates
        )
        assert recipe.momentum == 0.0
    for model in ("preresnet110", "vgg16"):
        assert str(networks.swa_hyperparameters(model, None).epochs) in epochs
    sizes = {name: of.batch_size for name, of in DATASETS.items()}
    assert sizes.pop("digits") == 32
    assert set(sizes.values()) == {128}
    assert "32 for digits, otherwise 128" in option("train", "batch-size")
    assert "0.9 for SGD, otherwise 0" in option("train", "momentum")


def test_a_switch_that_is_on_shows_how_to_turn_it_off():
    assert "--augment, --no-augment" in text_of("train")
    assert "--resume\n" in text_of("train", 60)


def test_help_does_not_wait_for_jax(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: python -m experiments train")
    assert help.render(train.Config, "x").startswith("usage: x [OPTIONS]")


def test_the_versions_are_those_that_run(capsys):
    assert main(["--version"]) == 0
    shown = dict(line.split(" ", 1) for line in capsys.readouterr().out.splitlines())
    assert shown["landmod_jax"] == landmod_jax.__version__
    assert shown["jax"] == jax.__version__
    assert shown["jaxlib"] == jax.lib.__version__
