"""The numbers of README and docs are those of the rows, tables and records.

`claims/PAGE.md` repeats the sentences of a page that have measured numbers, with names
of values (`values.py`) in place of the numbers. A number of the page that is in none of
these sentences has to be a name or a setting.
"""

import functools
import re
import string

import pytest

from tests.docs import values
from tests.docs.rows import NETWORKS, SECOND, SEVERAL, interval, search, stability
from tests.docs.snippets import ROOT
from tests.docs.speed_tables import speed_tables

CLAIMS = {path.stem: path for path in sorted((ROOT / "tests/docs/claims").glob("*.md"))}
# These quote the thesis and other publications.
QUOTES = (
    "What the other tables' numbers suggest",
    "What has been run, and what has not",
    "In short",
    "AdaBelief with LM on Penn Treebank",
    "Particle gradient descent with LM",
)
NAMES = [  # of data, networks, devices, programs, tables, equations, papers
    r"\b(jax|optax|Python|PyTorch|glibc|CUDA) \d[\d.]*(?: and \d[\d.]*\d)?",
    r"(CIFAR|ResNet|Apache|TensorFloat|PreResNet|ResNet|VGG|NN)-?\d+(\.\d|/\d+)?",
    r"\b(H[12]00|TF32|L2|b?float(16|32|64)|x86|C\.1|\d\.\d+ or newer|python3)\b",
    r"[Tt]ables? \d\.\d+(, | and )?(\d\.\d+)?|\(\d\.\d\d?\)",
    r"\(?\b(19|20)\d\d\b[),]?|November \d+|arXiv:\S+|\d+ \(\d{4}\) \d+–\d+",
]
FORMULAS = [
    r"(f\(max|is max|min)\([^)]*[01][^)]*\)+|is simply 1 / \(loss \+ ε\)",
    r"[fε]\(?[xu]?\)? [=≥] [a-z]?[¹²³\d.]+|f[′″]*\(0\)( = 0)?|c = 0|\(x − a\)²/2",
    r"ln 10|T = [\d.]+|1/[ε√]|to 0\b|[ε>] > 0|(reaches|flat at|ends at|above|is) 0\b",
    r"\(x² − 1\)²|1 / \(1 \+ exp\(ΔH\)\)|one eigenvalue of modulus 1\b",
]
SETTINGS = [  # of the studies, their statistics, and the benchmarks
    r"\b(90|95)% interval|(tests )?at 5%|±1 point|at most 5% of 48 paired runs",
    r"\b\d+(-layer| layers?)( and \d+ layers)?|\b(6, )?12 and (6|24) layers|\bnorm 1\b",
    r"48 (paired |new |other )?seeds|below 10%",
    r"norms? (0\.[13]|10|[13])( or (0\.[13]|3))?\b",
    r"last (20|100) \w+|8×8 digits|20,000 images of|600 steps",
    r"decay of 0\.99|bounded by 1\b|bound = 1\b|keep it at 1\b|loss by 10\b",
    r"warm-up of 200 steps|first 10,000 images|rate of 0\.\d+|\b50 epochs\b",
    r"three seeds, on one|\(seeds 0, 1, 10 and 100\)|200 epochs of 50,000 images",
    r"12 of its 200 epochs|full 200 epochs|44 rows of three seeds, 132 runs in all",
    r"batch(es)? (of )?128\b|128 images|\b32 steps|10 bits|same 16 cores|from 0\.12 on",
    r"above 1 where|differ from 1\b|1×1 convolutions",
    r"10,000 chains with|size of the weights is below 100|50 spins are measured",
    r"93 to 97% of 1,000 repetitions|16 sweeps of 24 spins|and 128 chains",
    r"Annealer \| 1 \| 16 \| 128 \| 1000|800 vertices, 19,176 edges\), cut .* 64 reads",
    r"up to 4,096 spins from 128 reads on|smallest from 16 on|with 1 to 128 reads|G1\b",
    r"here 1, the depth",
    r"chapter 2|x0|last 32 (compiled )?programs|4,000 chains on",
    r"Within 2,000 evaluations",
    r"1,000 chains in|from 20 runs each|distribution after 40 sweeps",
    r"11[13],000|300 steps|with 12 seeds|done 24 times|within ±5 points|best of 16",
]
UNRECORDED = r"reached 90% after 40 epochs, at a loss of 0\.06"  # as the page says

FIRST = [name for name in NETWORKS if name not in SECOND]
VERDICTS = {  # on margins
    "**higher**": [
        *(f"{x} SGD LM against plain" for x in NETWORKS),
        *(f"{x} SGD LM after against plain" for x in SECOND),
        *(f"{x} Adam LM after against plain" for x in SEVERAL),
        "conv10 SGD LM after against plain",
        "mlp6 Adam LM against plain",
        *(
            f"mlp6 SGD LM against {x}"
            for x in ("LM after", "clip 10", "warm-up, cosine")
        ),
        *(f"rnn SGD LM against {x}" for x in ("clip 3", "clip 10")),
        *(f"{x} Adam LM after against clip 10" for x in SEVERAL),
        "mlp6 Adam LM after against warm-up, cosine",
        *(f"mlp6 Adam LM after against {x}" for x in ("clip 0.3", "clip 3")),
        "mlp12 SGD LM against shuffled scales",
        *(
            f"mlp12 Adam LM after against {x} after"
            for x in ("mean scale", "shuffled scales")
        ),
        "mlp12 SGD LM, f = √u against LM",
    ],
    "**lower**": [
        *(f"{name} SGD LM against clip" for name in NETWORKS),
        *(f"{name} SGD LM after against clip" for name in NETWORKS),
        *(
            f"{x} Adam LM after against clip {n} after"
            for x in SEVERAL
            for n in (0.1, 0.3)
        ),
        *(f"{x} Adam LM after against warm-up, cosine" for x in ("mlp12", "rnn")),
        *(f"{x} SGD LM against warm-up, cosine" for x in ("rnn", "mlp24")),
        "mlp12 SGD LM, f bounded by 1 against LM",
        "first-mlp12 SGD LM, f = u² against LM",
        *(f"mlp12 {x} LM after against plain" for x in ("RMSProp", "Adagrad")),
        "mlp12 Adagrad LM against plain",
    ],
    "equal": [
        *(f"{x} SGD LM against LM after" for x in ("mlp12", "mlp24", "rnn")),
        "mlp12 Adam LM against plain",
        "mlp12 RMSProp LM against plain",
        "rnn Adam LM after against clip",
        "mlp12 SGD LM, c of 100 steps against LM",
        "mlp12 Adam LM against LM, c = 0",
    ],
    "higher, yet equal": ["rnn Adam LM against plain"],
    "cannot tell": [
        *(f"{name} SGD LM against LM after" for name in FIRST),
        *(f"{name} Adam LM against plain" for name in FIRST),
        "mlp12 SGD LM against mean scale",
        "conv10 Adam LM after against plain",
        "cifar10 SGD LM after against plain",
        *(
            f"{x} Adam LM after against clip"
            for x in ("mlp12", "mlp6", "conv10", "cifar10")
        ),
        "mlp12 SGD LM against warm-up, cosine",
        "mlp12 Adam LM after against clip 3",
        "mlp12 SGD LM against LM, c = 0",
        "first-mlp12 SGD LM, f = √u against LM",
        *(f"mlp12 SGD LM, {x} against LM" for x in ("f = u²", "smoothed c")),
        *(
            f"mlp12 Adam LM, {x} against LM"
            for x in ("f = √u", "f = u²", "f bounded by 1", "smoothed c")
        ),
        "mlp12 Adam LM, c of 100 steps against LM",
    ],
    "plateau": [
        *(f"mlp24 Adam {x} against plain" for x in ("LM", "LM after")),
        "mlp24 Adam LM after against MoMo, rate is its cap",
    ],
}
# Above or below 1 at 80%, 50% and 95%.
ALL_LEVELS = [
    *(f"{x} SGD LM against plain" for x in [*SECOND, "cifar10"]),
    *(f"{x} SGD LM after against plain" for x in SECOND),
    *(f"{x} Adam LM after against plain" for x in ("mlp12", "rnn")),
    "mlp12 SGD LM against shuffled scales",
    "mlp12 Adagrad LM after against plain",
    "mlp12 SGD LM, f bounded by 1 against LM",
    "mlp12 SGD LM, f = √u against LM",
]
NOT_AT = {
    ("conv10 SGD LM against plain", "At 95%"),
    ("conv10 SGD LM after against plain", "At 95%"),
    ("cifar10 Adam LM after against plain", "At 50%"),
    ("mlp12 RMSProp LM after against plain", "At 95%"),
    ("mlp12 Adagrad LM against plain", "At 95%"),
    ("mlp6 Adam LM against plain", "At 95%"),
    ("mlp6 Adam LM after against plain", "At 50%"),
    ("mlp12 Adam LM after against mean scale after", "At 95%"),
    ("rnn Adam LM after against warm-up, cosine", "At 50%"),
}
AT = {
    *((f"{x} Adam LM after against clip", "At 50%") for x in ("rnn", "mlp6")),
    *((f"mlp12 {x} LM against plain", "At 50%") for x in ("RMSProp", "Adagrad")),
    ("mlp12 RMSProp LM against plain", "At 95%"),
}
COOLER = "Metropolis at LM's temperature"
SEARCH = {  # against Metropolis, after Holm's adjustment
    ("faster", "sweeps"): {("max-cut", "dwave-samplers")},
    ("slower", "sweeps"): {("loops", COOLER)},
    ("faster", "seconds"): {
        ("SK", COOLER),
        *((x, "dwave-samplers") for x in ("loops", "max-cut")),
        *((x, "parallel tempering") for x in ("SK", "loops", "Wishart", "max-cut")),
    },
    ("slower", "seconds"): {
        (x, method) for x in ("loops", "max-cut") for method in ("LM", COOLER)
    },
}
UNLIKE_PLAIN = [
    f"mlp24 {x} against plain" for x in ("SGD LM after", "Adam LM", "Adam LM after")
]
ACCURACY = {
    "**worse**": [
        *(f"{x} Adam LM after against warm-up, cosine" for x in ("mlp12", "mlp24")),
        "mlp24 Adam LM after against clip",
    ],
    "**better**": [
        f"{x} against MoMo, rate is its cap"
        for x in ("mlp12 SGD LM", "mlp12 Adam LM after", "mlp6 SGD LM")
    ],
}


class Claims(string.Formatter):
    """`{name words:format}` is the value `name(words)`."""

    def get_field(self, field_name, args, kwargs):
        name, _, rest = field_name.partition(" ")
        function = values.VALUES[name]
        words = function.__code__.co_argcount
        return function(*rest.rsplit(" ", words - 1) if words else ()), None

    def format_field(self, value, format_spec):
        return re.sub(r"(?<!e)-", "−", super().format_field(value, format_spec))


@functools.cache
def claims(name):
    """The sentences of a page, with their numbers."""
    paragraphs = CLAIMS[name].read_text("utf-8").split("\n\n")
    sentences = [one_line(Claims().format(text)) for text in paragraphs]
    return sentences + speed_tables(name)


def page(name):
    return (ROOT / ("" if name == "README" else "docs") / f"{name}.md").read_text(
        "utf-8"
    )


def prose(text):
    """Without code, pictures, formulas, headings, and what links point to."""
    for pattern in (
        r"(?ms)^```.*?^```$",
        r"(?m)^#.*$",
        r"!\[[^]]*\]\([^)]*\)",
        r"(?<=\])\((?:[^()]|\([^)]*\))*\)",
        r"`[^`]*`",
        r"(?s)\$\$.*?\$\$|\$[^$]*\$",
    ):
        text = re.sub(pattern, " ", text)
    return one_line(text)


def one_line(text):
    return " ".join(text.split())


def unsaid(name, text):
    return [sentence for sentence in claims(name) if sentence not in one_line(text)]


def unknown_numbers(name, text):
    for section in QUOTES:
        text = re.sub(rf"(?ms)^## {re.escape(section)}$.*?(?=^## )", "", text)
    text = prose(text)
    for sentence in sorted(map(prose, claims(name)), key=len, reverse=True):
        text = text.replace(sentence, " ")
    for pattern in [UNRECORDED, *SETTINGS, *FORMULAS, *NAMES]:
        text = re.sub(pattern, " ", text)
    return [x for x in re.split(r"(?<=[.:;|])\s", text) if re.search(r"\d", x)]


@pytest.mark.parametrize("name", CLAIMS)
def test_a_page_says_what_the_rows_say(name):
    assert not unsaid(name, page(name))


@pytest.mark.parametrize("name", CLAIMS)
def test_a_page_has_no_other_numbers(name):
    assert not unknown_numbers(name, page(name))


def test_another_number_is_noticed():
    text = page("README")
    assert unsaid("README", text.replace("0.89 times", "0.88 times"))
    assert unknown_numbers("README", text.replace("does harm", "does harm (7%)"))


@pytest.mark.parametrize("verdict", VERDICTS)
def test_words_about_margins_are_the_tables(verdict):
    for comparison in VERDICTS[verdict]:
        assert verdict in stability(comparison, "Margin"), comparison


@pytest.mark.parametrize("verdict", ACCURACY)
def test_words_about_accuracies_are_the_tables(verdict):
    for comparison in ACCURACY[verdict]:
        assert verdict in stability(comparison, "Accuracy, points"), comparison


def test_what_holds_at_all_levels_does():
    def differs(comparison, column):
        cell = stability(comparison, column)
        found = interval(cell)
        return (found.low > 1 or found.high < 1) and "plateau" not in cell

    for comparison in ALL_LEVELS:
        for column in ("Ratio of margins", "At 50%", "At 95%"):
            assert differs(comparison, column), (comparison, column)
    assert not any(differs(*claim) for claim in NOT_AT)
    assert all(differs(*claim) for claim in AT)
    for network in SECOND:
        for other in ("clip", "warm-up, cosine"):
            case = f"{network} Adam LM after against {other}"
            assert interval(stability(case, "At 95%")).high < 1


@pytest.mark.parametrize(("verdict", "unit"), SEARCH)
def test_words_about_the_search_are_the_tables(verdict, unit):
    cells = search(unit)
    assert {key for key in cells if verdict in cells[key]} == SEARCH[verdict, unit]


def test_accuracies_that_are_called_equal_passed_a_test_of_equivalence():
    for network in NETWORKS:
        for optimizer in ("SGD", "Adam"):
            for arm in ("LM", "LM after"):
                case = f"{network} {optimizer} {arm} against plain"
                equal = "equal" in stability(case, "Accuracy, points")
                assert equal == (case not in UNLIKE_PLAIN), case


def test_the_runs_of_vgg16_end_as_the_page_says():
    counts = [
        values.stuck("vgg16-adam", "adam", arm)
        for arm in ("base", "lm", "lm_after", "clip", "warmup")
    ]
    assert counts == [3, 4, 4, 1, 0]
    for study in ("vgg16-cifar10", "vgg16-cifar10-h200"):
        for arm in ("base", "lm"):
            assert values.stuck(study, "sgd", arm) == 0
