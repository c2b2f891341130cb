"""A run's configuration and identity; the thesis's hyperparameters."""

import dataclasses
import json
import math
import re

import pytest

from experiments.config.networks import hyperparameters
from experiments.config.options import Protocol
from experiments.config.run import RunConfig
from experiments.errors import UserError
from tests.helpers import CONFIG


def test_every_field_is_part_of_the_identity():
    changes = {
        "dataset": "cifar10", "model": "nn2", "optimizer": "rmsprop", "arm": "base",
        "seed": 1, "epochs": 3, "learning_rate": 0.02, "momentum": 0.9,
        "weight_decay": 1e-4, "batch_size": 64, "f": "quadratic", "eps": 0.5,
        "c": 0.1, "limit_train": 100, "precision": "bfloat16", "eval_mode": "train",
        "clip_norm": 0.5, "warmup_steps": 10, "validation": 50,
        "swa_start": 1, "swa_learning_rate": 0.005,
        "until_above_chance": True, "init_from": "0" * 64, "augment": False,
        "threshold": "smoothed_min", "step_cap": 2.0,
    }  # fmt: skip
    assert set(changes) == {field.name for field in dataclasses.fields(RunConfig)}
    swa = {"swa_start": 2, "swa_learning_rate": 0.01}  # they come together
    ids = {
        dataclasses.replace(CONFIG, **(swa if k in swa else {}) | {k: v}).run_id
        for k, v in changes.items()
    }
    assert len(ids) == len(changes)
    assert CONFIG.run_id not in ids
    assert dataclasses.replace(CONFIG).run_id == CONFIG.run_id


@pytest.mark.parametrize(
    ("config", "run_id"),
    [
        (CONFIG, "digits-simple_cnn-sgd-lm-s0-74f69cc67b"),
        (
            Protocol(epochs=3, limit_train=10_000).run(
                "cifar10", "nn2", "adagrad", "base", 0
            ),
            "cifar10-nn2-adagrad-base-s0-bf9e10c573",  # a row of results/nn2-cifar10
        ),
    ],
)
def test_older_runs_keep_their_identity(config, run_id):
    assert config.run_id == run_id


def test_digits_have_no_augmentation_to_choose():
    plain, without = (
        Protocol(augment=augment).run("digits", "simple_cnn", "sgd", "lm", 0)
        for augment in (None, False)
    )
    assert plain == without
    with pytest.raises(UserError, match="digits are never augmented"):
        Protocol(augment=True).run("digits", "simple_cnn", "sgd", "lm", 0)


def configs_of(monkeypatch, *argv):
    """The runs that a command would train."""
    from experiments.commands import cli, present
    from experiments.runs import sweep

    made = []
    monkeypatch.setattr(
        present, "run_and_present", lambda configs, *rest: made.extend(configs)
    )
    monkeypatch.setattr(sweep, "run_all", lambda configs, *rest: made.extend(configs))
    monkeypatch.setattr(present, "present", lambda *arguments: None)
    assert cli.main(list(argv)) == 0
    return made


def test_of_the_tables_3_5_alone_is_trained_without_augmentation(monkeypatch):
    """The thesis's NN2 reaches losses of 0.003 at 83.7%: see docs/reproduction.md."""
    runs = configs_of(monkeypatch, "table", "all")
    assert {run.model for run in runs if not run.augment} == {"nn2"}
    assert {run.model for run in runs if run.augment} == {"preresnet110", "vgg16"}


@pytest.mark.parametrize(
    ("command", "augmented"),
    [
        ("table 3.5 --augment", True),
        ("table 3.8 --no-augment", False),
        ("table digits", True),  # by their own pipeline, which has no steps
        ("compare --dataset cifar10 --model nn2", True),
        ("train --dataset cifar10 --model vgg16 --no-augment", False),
    ],
)
def test_augmentation_is_what_the_command_says(monkeypatch, command, augmented):
    runs = configs_of(monkeypatch, *command.split())
    assert {run.augment for run in runs} == {augmented}


def test_a_configuration_survives_json():
    text = json.dumps(dataclasses.asdict(CONFIG), allow_nan=False)
    assert RunConfig.from_dict(json.loads(text)) == CONFIG
    with pytest.raises(UserError, match="unknown fields: color"):
        RunConfig.from_dict(dataclasses.asdict(CONFIG) | {"color": 1})
    with pytest.raises(UserError, match="lacks arm, epochs, learning_rate, model, opt"):
        RunConfig.from_dict({"dataset": "digits", "seed": 1})


# Tables A.1 and A.2: epochs; the learning rates of SGD, Adam, Adagrad, RMSProp.
@pytest.mark.parametrize(
    ("model", "epochs", "rates"),
    [
        ("nn2", 50, (0.01, 0.001, 0.01, 0.001)),
        ("preresnet110", 150, (0.1, 0.001, 0.01, 0.001)),
        ("vgg16", 200, (0.05, 0.001, 0.01, 0.001)),
    ],
)
def test_the_hyperparameters_are_the_thesis_s(model, epochs, rates):
    for optimizer, rate in zip(("sgd", "adam", "adagrad", "rmsprop"), rates):
        row = hyperparameters(model, optimizer)
        assert (row.epochs, row.learning_rate) == (epochs, rate)
        assert row.momentum == (0.9 if optimizer == "sgd" else 0.0)
        assert row.weight_decay == 0


def test_options_override_the_thesis_and_keep_the_rest():
    run = Protocol(epochs=3, eps=0.5).run("cifar10", "nn2", "sgd", "lm", 10)
    assert (run.epochs, run.learning_rate, run.momentum) == (3, 0.01, 0.9)
    assert (run.eps, run.batch_size, run.seed) == (0.5, 128, 10)


def test_one_base_run_serves_every_landscape():
    runs = [
        protocol.run("digits", "simple_cnn", "adam", "base", 0)
        for protocol in (Protocol(), Protocol(f="quadratic", eps=0.1, c=2.0))
    ]
    assert runs[0] == runs[1]


IN_FLOAT32 = "greater than 0 and finite in float32"


@pytest.mark.parametrize(
    ("name", "value", "within"),
    [
        *((name, 0, "at least 1") for name in ("epochs", "batch_size", "limit_train")),
        *(("learning_rate", value, IN_FLOAT32) for value in (-1.0, math.inf, 1e300)),
        *(("eps", value, IN_FLOAT32) for value in (0.0, math.nan, 3.5e38)),
        ("clip_norm", math.nan, IN_FLOAT32),  # not lm's
        ("step_cap", 0.0, IN_FLOAT32),
        ("weight_decay", -0.1, "at least 0 and finite in float32"),
        ("momentum", 1.0, "at least 0 and less than 1"),
        ("warmup_steps", 2**31, "1 to 2147483647"),
        ("c", math.inf, "a finite number (for no landscape, choose the base arm)"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_range(name, value, within):
    message = re.escape(f"{name} must be {within}, got {value}")
    with pytest.raises(UserError, match=message):
        Protocol(**{name: value}).run("digits", "simple_cnn", "adam", "lm", 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit_train": 1438}, "--limit-train 1438 is more than the 1,437"),
        ({"limit_train": 9, "validation": 9}, "--validation 9 leaves none of the 9"),
        ({"epochs": 2**31}, "--epochs 2147483648 takes .* steps; a run can"),
        ({"momentum": 0.9}, "only sgd and rmsprop have momentum, not adam"),
    ],
)
def test_options_that_do_not_agree_are_named(options, message):
    with pytest.raises(UserError, match=message):
        Protocol(**options).run("digits", "simple_cnn", "adam", "lm", 0)


@pytest.mark.parametrize("seed", [-1, 2**32, 10**22, True, 1.0, "0"])
def test_seeds_that_jax_would_take_for_others_are_refused(seed):
    with pytest.raises(UserError, match="seed must be"):
        dataclasses.replace(CONFIG, seed=seed)
    assert dataclasses.replace(CONFIG, seed=2**32 - 1).seed == 2**32 - 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 2.5),
        ("epochs", True),
        ("epochs", None),
        ("learning_rate", "0.1"),
        ("arm", ["lm"]),
        ("eval_mode", None),
        ("until_above_chance", "False"),
        ("augment", 1),
        ("model", 3),
        ("model", "<b>"),
    ],
)
def test_fields_of_the_wrong_kind_are_named(name, value):
    with pytest.raises(UserError, match=f"{name} must be .*, got"):
        RunConfig.from_dict(dataclasses.asdict(CONFIG) | {name: value})


def test_a_wrong_model_name_is_answered_with_the_nearest():
    with pytest.raises(UserError, match=r"did you mean.*vgg16"):
        Protocol().run("digits", "vg16", "adam", "lm", 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arm": "momo", "optimizer": "adagrad"}, "momo arm stands in for sgd and ada"),
        ({"arm": "polyak", "weight_decay": 0.1}, "polyak arm has no weight decay, got"),
        (
            {"arm": "cosine", "swa_start": 1, "swa_learning_rate": 0.1},
            "cosine arm has its own learning-rate schedule",
        ),
    ],
)
def test_what_an_arm_cannot_do_is_named(options, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(CONFIG, **options)
