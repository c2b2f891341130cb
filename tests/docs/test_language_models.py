"""The words of the page on language models, against the verdicts of its tables."""

import pytest

from tests.docs.language_models import loss, runs, verdicts

TRANSFORMER, LSTM = ("transformer", "adamw"), ("lstm", "adamw")
ADABELIEF = ("lstm", "adabelief")


@pytest.mark.parametrize(
    "key",
    [
        *((*TRANSFORMER, arm, "base") for arm in ("lm", "lm_after")),
        *((*LSTM, arm, "base") for arm in ("lm", "lm_after")),
        *((*TRANSFORMER, "lm_after", other) for other in ("mean_after", "update_clip")),
        *((*ADABELIEF, "lm_c0", other) for other in ("eps_l2", "eps", "l2")),
        (*ADABELIEF, "lm", "base"),
    ],
)
def test_losses_that_are_called_equal_passed_a_test_of_equivalence(key):
    assert verdicts()[key] == ("cannot tell", "equal")


def test_which_are_less_sensitive():
    for arm in ("lm", "lm_after"):
        assert verdicts()[*TRANSFORMER, arm, "warmup_cosine"][0] == "more"
        assert verdicts()[*LSTM, arm, "warmup_cosine"] == ("less", "cannot tell")
        for network in (TRANSFORMER, LSTM):
            assert verdicts()[*network, arm, "warmup"][0] == "cannot tell"
    compared = {
        (network[0], other): verdicts()[*network, "lm_after_warmup", other]
        for network in (TRANSFORMER, LSTM)
        for other in ("base", "warmup")
    }
    assert compared == {
        ("transformer", "base"): ("less", "cannot tell"),
        ("transformer", "warmup"): ("cannot tell", "equal"),
        ("lstm", "base"): ("cannot tell", "worse"),
        ("lstm", "warmup"): ("more", "equal"),
    }
    for other in ("mean_after", "update_clip"):
        assert verdicts()[*LSTM, "lm_after", other] == ("cannot tell", "cannot tell")


def test_the_cosine_has_the_lowest_loss_on_the_lstm():
    arms = {arm for key in verdicts() if key[:2] == LSTM for arm in key[2:]}
    assert min(arms, key=lambda arm: loss(*LSTM, arm)) == "warmup_cosine"


def test_adabelief_does_not_gain():
    assert verdicts()[*ADABELIEF, "lm_c0", "base"] == ("cannot tell", "cannot tell")


def test_no_run_diverged():
    assert (runs()["held_out"] < runs()["first"]).all()
    assert (runs()["spikes"] == 0).all()
