"""Mean tunneling times of the Curie–Weiss model, exact and simulated.

A chain goes from all spins down to the mirror image of the most probable state there,
and tries one random spin per step. M = Σ s is itself a Markov chain, because U and H
depend on nothing else.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import landmod_jax as lm
from landmod_jax import annealing
from landmod_jax.annealing import spins

BLOCK = 2_000  # steps between two checks for arrived chains
MOST = 400  # blocks
LONGEST = 6_000  # largest exact mean of steps for which a case is simulated
LONGER = 50_000  # the same, where few chains are enough
# The landscape: c as a share of the barrier of U above its minimum, and f.
LANDSCAPES: dict[str, tuple[str | None, float]] = {
    "plain": (None, np.inf),
    "linear, c at 1/2": ("linear", 0.5),
    "linear, c at 1/4": ("linear", 0.25),
    "bounded, c at 1/4": ("bounded", 0.25),
}
CASE = ("n", "temperature", "landscape")


@dataclasses.dataclass(frozen=True)
class Case:
    """A model, a temperature and a landscape."""

    n: int
    temperature: float
    landscape: str

    @property
    def f(self) -> str | None:
        return LANDSCAPES[self.landscape][0]

    @property
    def c(self) -> float:
        """In units of U, whose minimum is −n / 2 and whose barrier is at 0."""
        share = LANDSCAPES[self.landscape][1]
        return -self.n / 2 * (1 - share)

    @property
    def target(self) -> int:
        """The M > 0 to reach: the most probable one on the plain landscape."""
        ups = np.arange(self.n // 2 + 1, self.n + 1)
        log_p = _log_binomial(self.n)[ups] - energies(self.n)[ups] / self.temperature
        return int(2 * ups[log_p.argmax()] - self.n)


def energies(n: int) -> np.ndarray:
    """U = −M² / (2n) by the number of spins up, (n + 1,)."""
    M = 2 * np.arange(n + 1) - n
    return -(M**2) / (2 * n)


def _log_binomial(n: int) -> np.ndarray:
    k = np.arange(1, n + 1)
    return np.concatenate([[0.0], np.cumsum(np.log((n - k + 1) / k))])


def heights(case: Case) -> np.ndarray:
    """H by the number of spins up, in float64."""
    u = energies(case.n)
    if case.f is None:
        return u / case.temperature
    with jax.enable_x64(True):
        h = lm.landscape(jnp.asarray(u), case.c, case.temperature, case.f)
        return np.asarray(h)


def transitions(case: Case) -> np.ndarray:
    """The transition matrix between numbers of spins up, (n + 1, n + 1)."""
    h, n = heights(case), case.n
    P = np.zeros((n + 1, n + 1))
    for k in range(n + 1):
        for to, share in ((k + 1, (n - k) / n), (k - 1, k / n)):
            if 0 <= to <= n:
                P[k, to] = share * min(1.0, np.exp(h[k] - h[to]))
        P[k, k] = 1 - P[k].sum()
    return P


def exact_time(case: Case) -> float:
    """The mean number of steps from all down to the target, from the matrix."""
    P = transitions(case)
    up, down = np.diag(P, 1), np.diag(P, -1)
    # Time for a step up from k: 1 / up, and from below again after each step down.
    step = np.zeros(case.n)
    for k in range(case.n):
        step[k] = (1 + (down[k - 1] * step[k - 1] if k else 0.0)) / up[k]
    return float(step[: (case.target + case.n) // 2].sum())


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Tunnelling:
    """Random flips that record the first step at which M reaches the target.

    A state has the spins `s`, their sum `M`, and `at`, that step, or −1.
    """

    target: jax.Array
    flips: spins.Flips

    def propose(self, draw: Any, x: Any, step: jax.Array) -> Any:
        return self.flips.propose(draw, x["s"], step), step

    def change(self, x: Any, move: Any) -> jax.Array:
        (_, old, _), _ = move
        old = old.astype(jnp.int32)
        return 2 * old * (x["M"] - old) / self.flips.model.n

    def apply(self, x: Any, move: Any, accepted: jax.Array) -> Any:
        (site, old, new), step = move
        M = x["M"] + jnp.where(accepted, new - old, 0).astype(jnp.int32)
        first = (x["at"] < 0) & (M >= self.target)  # noqa: SIM300
        return {
            "s": self.flips.apply(x["s"], (site, old, new), accepted),
            "M": M,
            "at": jnp.where(first, step + 1, x["at"]),
        }


def _energy(x: Any) -> jax.Array:
    M = x["M"].astype(jnp.float32)
    return -(M * M) / (2 * x["s"].shape[0])


def times(case: Case, chains: int, seed: int) -> np.ndarray:
    """The steps that each of `chains` took, (chains,); −1 if it has not arrived."""
    down = {
        "s": -jnp.ones((chains, case.n), jnp.int8),
        "M": jnp.full((chains,), -case.n, jnp.int32),
        "at": jnp.full((chains,), -1, jnp.int32),
    }
    flips = spins.curie_weiss(case.n).flips("random", "metropolis")
    moves = Tunnelling(jnp.int32(case.target), flips)
    options: dict[str, Any] = {}
    if case.f is not None:
        options = {"f": case.f, "threshold": lm.constant(case.c)}
    state: Any = down
    for _ in range(MOST):
        state = annealing.metropolis(
            _energy, moves, state, jax.random.key(seed), steps=BLOCK,
            temperature=case.temperature, records=0, **options,
        ).state  # fmt: skip
        if bool((state.x["at"] >= 0).all()):
            break
    return np.asarray(state.x["at"])


def row(case: Case, chains: int, seed: int, few: int = 0) -> dict[str, Any]:
    """One case: the exact mean and, if it is at most LONGEST, a measured one.

    error is the standard error of the measured mean.

    Args:
      few: how many chains to simulate if the mean is over LONGEST, up to LONGER.
    """
    exact = exact_time(case)
    row = dataclasses.asdict(case) | {"exact": exact}
    if exact > LONGEST:
        chains = few if exact <= LONGER else 0
    if not chains:
        return row | {"mean": np.nan, "error": np.nan, "arrived": 0, "chains": 0}
    steps = times(case, chains, seed)
    arrived = steps[steps >= 0]
    return row | {
        "mean": arrived.mean(),
        "error": arrived.std(ddof=1) / np.sqrt(len(arrived)),
        "arrived": len(arrived),
        "chains": chains,
    }
