"""The drawings behind `figures`, by the thesis's figure numbers."""

import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import landmod_jax as lm
from experiments.config.optimizers import OPTIMIZERS
from experiments.report import style

X = jnp.linspace(2.7, 7.5, 601)  # two hills between three valleys of `wave`


def wave(x):
    """U(x) = sin x + sin(10 x / 3), the example of section 2.2."""
    return jnp.sin(x) + jnp.sin(10 * x / 3)


U = wave(X)
COLORS = ("#000000", *style.OTHER_COLORS)
RIGHT = "right center"  # of a picture, for its legend


def descend(energy, start, tx, steps: int) -> np.ndarray:
    """The points that `steps` updates of tx visit from `start`."""

    def step(carry, _):
        x, state = carry
        value, grad = jax.value_and_grad(energy)(x)
        updates, state = tx.update(grad, state, x, value=value)
        return (optax.apply_updates(x, updates), state), x

    start = jnp.asarray(start, jnp.float32)
    (end, _), visited = jax.lax.scan(step, (start, tx.init(start)), None, steps)
    return np.concatenate([visited, end[None]])


def _path(axis, energy, points, color: str, label: str) -> None:
    heights = jax.vmap(energy)(points)
    axis.plot(points, heights, "o-", color=color, ms=3, lw=0.8, label=label)
    axis.plot(points[-1], heights[-1], "*", color=color, ms=10)


def figure_1_1(path: Path) -> None:
    """Gradient descent in a local minimum, and at a saddle point."""

    def cubic(x):
        return x**3

    with style.picture(path, 2, 2, legend="") as axes:
        left, right = axes[0]
        left.plot(X, U, color="0.6")
        points = descend(wave, 3.9, lm.torch_optim.sgd(0.03), 25)
        _path(left, wave, points, "#0072B2", "descent")
        left.set_title("a local minimum")
        xs = np.linspace(-1, 1.2, 200)
        right.plot(xs, cubic(xs), color="0.6")
        points = descend(cubic, 1.1, lm.torch_optim.sgd(0.06), 60)
        _path(right, cubic, points, "#0072B2", "descent")
        right.set_title("a saddle point, U(x) = x³")
        for axis in axes[0]:
            axis.set_xlabel("x")
        left.set_ylabel("U(x)")


def figure_1_2(path: Path) -> None:
    """Gradient descent with too large and too small a step."""

    def bowl(x):
        return x**2

    xs = np.linspace(-3.2, 3.2, 200)
    with style.picture(path, 2, 2, legend="") as axes:
        for axis, (lr, start, steps, name) in zip(
            axes[0], ((1.06, 1.5, 6, "too large"), (0.01, 2.8, 12, "too small"))
        ):
            axis.plot(xs, bowl(xs), color="0.6")
            points = descend(bowl, start, lm.torch_optim.sgd(lr), steps)
            _path(axis, bowl, points, "#D55E00", "")
            axis.set_title(f"{name} a step, η = {lr}")
            axis.set_xlabel("x")
        axes[0][0].set_ylabel("U(x)")


def figure_2_1(path: Path) -> None:
    """The critical height: the climb that no path to the minimum avoids."""
    u = np.asarray(U)
    minimum = int(u.argmin())
    # The point with the highest climb to the minimum, and the top of that climb.
    ways = [sorted((i, minimum)) for i in range(len(u))]
    tops = np.array([u[first : last + 1].max() for first, last in ways])
    worst = int((tops - u).argmax())
    with style.picture(path, width=4.5, height=2.8) as axes:
        axis = axes[0][0]
        axis.plot(X, u, color="black")
        axis.hlines([u[worst], tops[worst]], X[0], X[-1], color="0.7", lw=0.8)
        color, words = "#D55E00", f"E* = {lm.critical_height(u):.2f}"
        arrow = {"arrowstyle": "<->", "color": color}
        climb = (X[worst], tops[worst]), (X[worst], u[worst])
        axis.annotate("", *climb, arrowprops=arrow)
        axis.text(X[worst] - 0.35, tops[worst] + 0.1, words, color=color)
        axis.plot(X[minimum], u[minimum], "*", color="#0072B2", ms=11)
        axis.set(xlabel="x", ylabel="U(x)")


def figure_2_2(path: Path) -> None:
    """State-dependent noise of (2.7): plain noise below c, more noise above it."""
    c, temperature = -0.5, 0.1
    noise = jnp.sqrt(2 * (jnp.maximum(U - c, 0) + temperature))
    plain = float(np.sqrt(2 * temperature))
    with style.picture(path, 2, 1, 4.5, 1.9) as axes:
        top, bottom = axes[:, 0]
        top.plot(X, U, color="black")
        top.axhline(c, color="#D55E00", ls="--", lw=1)
        top.text(X[0], c + 0.1, "c", color="#D55E00")
        top.set_ylabel("U(x)")
        bottom.plot(X, noise, color="#D55E00", label="√(2(f((U − c)₊) + T))")
        bottom.axhline(plain, color="black", ls="--", lw=1, label="√(2T)")
        bottom.set(xlabel="x", ylabel="noise")


def _landscapes(path: Path, curves) -> None:
    with style.picture(path, width=5, height=3, legend=RIGHT) as axes:
        axis = axes[0][0]
        for (label, values), color in zip(curves, COLORS):
            axis.plot(X, values, color=color, label=label)
        axis.set_xlabel("x")


def figure_2_3(path: Path) -> None:
    """U and H for f(x) = x, c the minimum of U, ε = 1."""
    _landscapes(path, [("U", U), ("H", lm.landscape(U, U.min()))])


def figure_2_4(path: Path) -> None:
    """The effect of f."""
    names = ("linear", "quadratic", "sqrt", "bounded")
    _landscapes(
        path,
        [("U − min U", U - U.min())]
        + [(f"f {name}", lm.landscape(U, U.min(), f=name)) for name in names],
    )


def figure_2_5(path: Path) -> None:
    """The effect of c."""
    cs = [float(U.min()), -1.0, 0.0, 1.0, float(U.max()) + 1]
    _landscapes(path, [(f"c = {c:.2f}", lm.landscape(U, c)) for c in cs])


def figure_2_6(path: Path) -> None:
    """The effect of ε."""
    eps = [0.5, 1.0, 2.0, 5.0]
    _landscapes(path, [(f"ε = {e:g}", lm.landscape(U, U.min(), e)) for e in eps])


def relatives(path: Path) -> None:
    """The scale of the gradient against the loss, for LM and similar methods."""
    loss, c = np.linspace(0, 4, 401), 0.5
    u = np.maximum(loss - c, 0)
    increasing = {
        "plain descent": np.ones_like(loss),
        "LM, f(u) = u; Tsallis": 1 / (u + 1),
        "LM, f(u) = u²": 1 / (u**2 + 1),
        "stochastic tunneling": np.exp(-(loss - c)),
        "barrier lowering": 1 / (1 + u) ** 2,
        "tempering, T = 2": np.full_like(loss, 1 / 2),
    }
    others = {
        "Polyak step, MoMo": loss,
        "clipping to τ = 0.7": np.full_like(loss, 0.7),
        "flooding": np.sign(loss - c),
    }
    with style.picture(path, width=5, height=3.2, legend=RIGHT) as axes:
        axis = axes[0][0]
        axis.axvline(c, color="0.8", linewidth=0.8)
        axis.annotate("c", (c, 2.02), ha="center", va="bottom", annotation_clip=False)
        for curves, dash in ((increasing, "-"), (others, "--")):
            for (label, scale), color in zip(curves.items(), COLORS):
                width = 2.2 if label.startswith("LM, f(u) = u;") else 1.4
                axis.plot(
                    loss, scale, color=color, linestyle=dash, label=label, lw=width
                )
        axis.set_xlabel("loss U")
        axis.set_ylabel("scale")
        axis.set_ylim(-1.1, 2)


def himmelblau(point):
    """(x² + y − 11)² + (x + y² − 7)², divided by 20; its four minima are 0."""
    x, y = point
    return ((x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2) / 20


LEARNING_RATES = {"sgd": 0.03, "adam": 0.3, "adagrad": 0.8, "rmsprop": 0.1}


def trajectories(path: Path) -> None:
    """Four optimizers on Himmelblau's function, with and without LM, from one start."""
    xs, ys = np.linspace(-5, 5, 200), np.linspace(-5, 5, 200)
    grid = himmelblau(np.meshgrid(xs, ys))
    start = [-0.3, -4.4]
    count = len(OPTIMIZERS)
    with style.picture(path, 2 * count, count, 2.6, 2.6) as axes:
        for row, column in itertools.product(range(2), range(len(OPTIMIZERS))):
            axis, optimizer = axes[row][column], list(OPTIMIZERS.values())[column]
            rate = LEARNING_RATES[optimizer.name]
            tx = getattr(lm.torch_optim, optimizer.name)(rate)
            if row:
                landscape = lm.landscape_modify(threshold=lm.constant(0.0))
                tx = optax.chain(landscape, tx)
            # The modified landscape is that of c = 0, the height of the minima.
            heights = lm.landscape(grid, 0.0, u_min=0.0) if row else grid
            axis.contourf(xs, ys, np.log1p(heights), 20, cmap="Greys", alpha=0.75)
            points = descend(himmelblau, start, tx, 150)
            color = "#D55E00" if row else "#0072B2"
            axis.plot(*points.T, ".-", color=color, ms=2.5, lw=0.9)
            axis.plot(*start, "o", color="white", mec="black", ms=5)
            axis.plot(*points[-1], "*", color=color, mec="black", ms=11)
            axis.set_title(optimizer.label + ("-LM" if row else ""))
            axis.grid(False)
            axis.set(xlim=(-5, 5), ylim=(-5, 5), xticks=(-4, 0, 4), yticks=(-4, 0, 4))
        axes[0][0].set_ylabel("on U")
        axes[1][0].set_ylabel("on H, c = 0")


DRAWINGS = {
    "1.1": figure_1_1,
    "1.2": figure_1_2,
    "2.1": figure_2_1,
    "2.2": figure_2_2,
    "2.3": figure_2_3,
    "2.4": figure_2_4,
    "2.5": figure_2_5,
    "2.6": figure_2_6,
    "relatives": relatives,
    "trajectories": trajectories,
}
