"""The words of the page on language models, against the verdicts of its tables."""

import pytest

from tests.docs.language_models import runs, verdicts

TRANSFORMER, LSTM = ("transformer", "adamw"), ("lstm", "adabelief")


@pytest.mark.parametrize(
    "key",
    [
        *((*TRANSFORMER, arm, "base") for arm in ("lm", "lm_after")),
        *(("lstm", "adamw", arm, "base") for arm in ("lm", "lm_after")),
        *((*TRANSFORMER, "lm_after", other) for other in ("mean_after", "update_clip")),
        *((*LSTM, "lm_c0", other) for other in ("eps_l2", "eps", "l2")),
        (*LSTM, "lm", "base"),
    ],
)
def test_losses_that_are_called_equal_passed_a_test_of_equivalence(key):
    assert verdicts()[key] == ("cannot tell", "equal")


def test_which_are_less_sensitive():
    for arm in ("lm", "lm_after"):
        assert verdicts()[*TRANSFORMER, arm, "warmup_cosine"][0] == "more"
    compared = {
        other: verdicts()[*TRANSFORMER, "lm_after_warmup", other][0]
        for other in ("base", "warmup")
    }
    assert compared == {"base": "less", "warmup": "cannot tell"}


def test_adabelief_does_not_gain():
    assert verdicts()[*LSTM, "lm_c0", "base"] == ("cannot tell", "cannot tell")


def test_no_run_diverged():
    assert (runs()["held_out"] < runs()["first"]).all()
    assert (runs()["spikes"] == 0).all()
