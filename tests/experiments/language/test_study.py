"""The study's runs, against runs one by one, and its options and rows."""

import dataclasses

import jax
import numpy as np
import optax
import pytest

import landmod_jax as lm
from experiments.commands.cli import main
from experiments.data import texts
from experiments.language import options, program, study
from experiments.language.models import MODELS
from experiments.language.options import Case, Config
from experiments.study import store

SHAPE = options.Shape(context=12, width=16, depth=1, heads=2, hidden=16)
SIZES = options.Sizes(
    "descriptions", seeds=2, steps=20, warmup=4, batch=4, window=10, judged=5,
    shape=SHAPE,
)  # fmt: skip
RATES = (0.003, 0.03)


@pytest.fixture(scope="module")
def text():
    return texts.descriptions()


def run(text, arm="lm", model="lstm", **more):
    return program.run(Case(model, "adamw", arm), 5000, RATES, SIZES, text, **more)


def one_by_one(text, model, tx):
    """Losses, scales and the held-out loss of a run, step by step."""
    init = jax.jit(MODELS[model].init, static_argnums=(1, 2))
    params = init(jax.random.key(5000), SHAPE, len(text.characters))
    state, losses, scales = tx.init(params), [], []

    @jax.jit
    def loss_fn(params, sequences):
        logits = MODELS[model].apply(SHAPE, params, sequences[:, :-1])
        return optax.softmax_cross_entropy_with_integer_labels(
            logits, sequences[:, 1:]
        ).mean()

    @jax.jit
    def step(params, state, batch):
        loss, grads = jax.value_and_grad(loss_fn)(params, batch)
        updates, state = tx.update(grads, state, params, value=loss)
        return optax.apply_updates(params, updates), state, loss

    rng = np.random.default_rng(5000)
    last = len(text.train) - 13
    for starts in rng.integers(0, last + 1, (20, 4), dtype=np.int32):
        batch = np.stack([text.train[i : i + 13] for i in starts]).astype(int)
        params, state, loss = step(params, state, batch)
        losses.append(float(loss))
        scales.append(float(lm.current(state).scale))
    held_out = [text.held_out[i : i + 13].astype(int) for i in range(0, 60, 12)]
    return losses, scales, float(loss_fn(params, np.stack(held_out)))


@pytest.mark.parametrize("model", MODELS)
def test_runs_are_those_one_by_one(text, model):
    found = run(text, model=model)
    tx = optax.chain(
        lm.landscape_modify(), optax.adamw(0.03, b2=0.95, weight_decay=0.1)
    )
    losses, scales, held_out = one_by_one(text, model, tx)
    np.testing.assert_allclose(found["losses"][1], losses, rtol=2e-3)
    np.testing.assert_allclose(found["scales"][1], scales, rtol=5e-2)
    assert found["held_out"][1] == pytest.approx(held_out, rel=2e-3)
    assert found["scales"].min() < 0.95
    assert (found["held_out"] < found["first"]).all()


def test_arms_of_a_seed_share_weights_and_sequences(text):
    plain, ours = run(text, "base"), run(text)
    assert "scales" not in plain
    np.testing.assert_allclose(plain["losses"][:, 0], ours["losses"][:, 0], rtol=1e-6)
    np.testing.assert_array_equal(plain["first"], ours["first"])
    replayed = run(text, "mean_after", means=np.ones(2))
    np.testing.assert_allclose(replayed["losses"], plain["losses"], rtol=1e-5)


def test_each_character_but_the_first_is_predicted_once():
    places = program.sequences(50, 12, 100)
    np.testing.assert_array_equal(places[:, 1:].ravel(), np.arange(1, 49))
    assert [len(program.sequences(n, 12, 100)) for n in (48, 49)] == [3, 4]
    np.testing.assert_array_equal(program.sequences(50, 12, 2), places[:2])


def test_rows_and_curves():
    """Of three seeds at two rates, with scales for LM alone."""
    losses = np.tile(np.arange(25.0), (2, 1))
    ends = {name: np.full(2, 1.5) for name in ("first", "held_out", "test")}
    plain = study.frames([ends | {"losses": losses}] * 3, range(3), RATES, 10)
    of_lm = [ends | {"losses": losses, "scales": losses / 10}] * 3
    ours = study.frames(of_lm, range(3), RATES, 10)
    assert len(plain["rows"]) == 6
    assert plain["rows"]["scale"].isna().all()
    assert plain["curves"]["scale"].isna().all()
    np.testing.assert_allclose(ours["rows"]["scale"], 1.2)
    curves = ours["curves"]
    assert set(curves["seed"]) == {0, 1}
    np.testing.assert_allclose(curves[curves["step"] == 20]["loss"], 14.5)
    np.testing.assert_allclose(curves["scale"], curves["loss"] / 10)
    for name, table in study.STUDY.tables("lstm-adamw-lm").items():
        store.check(table, ours[name])


def test_a_text_that_is_missing_is_named_before_the_first_case(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(program, "run", None)  # no case may start
    argv = ["language", "--seeds", "1", "--cache-dir", str(tmp_path)]
    argv += ["--data-dir", str(tmp_path / "nowhere"), "--out", str(tmp_path / "x")]
    assert main(argv) == 2
    assert f"--data-dir {tmp_path / 'nowhere'} is not" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_the_plan_and_its_quick_part():
    cases = Config().cases()
    assert len(cases) == len(set(cases)) == 29
    assert cases[:2] == [Case("transformer", "adamw", x) for x in ("base", "lm")]
    assert Config().rates(cases[0]) == (0.001, 0.003, 0.01, 0.03, 0.1)
    assert len(Config(optimizers=("adabelief",)).cases()) == 7
    quick = Config(quick=True)
    assert [len(quick.cases()), len(quick.seed_numbers())] == [4, 2]
    assert quick.rates(cases[0]) == (0.001, 0.01, 0.1)
    assert list(dataclasses.replace(quick, seeds=3).seed_numbers()) == [
        5000,
        5001,
        5002,
    ]


def test_an_unknown_case_is_none():
    for name in ("lstm-adamw", "transformer-adabelief-lm", "lstm-adamw-momo", "../x"):
        with pytest.raises(ValueError, match="unknown case"):
            Case.named(name)
