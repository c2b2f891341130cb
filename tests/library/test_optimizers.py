"""The four optimizers in float64 against NumPy by hand, and against torch.optim."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import landmod_jax as lm

pytestmark = pytest.mark.promotes

STEPS = 200
START = np.random.default_rng(0).standard_normal(6)
CURVATURE = np.array([1e-6, 0.01, 0.3, 1.0, 4.0, 20.0])
NOISE = 0.3 * np.random.default_rng(1).standard_normal((STEPS, 6))
TINY = np.array([1e-9, 1e-7, 1.0, 1.0, 1.0, 1.0])  # gradients about Adagrad's epsilon


def value_and_grad(w, t):
    """A bowl with a wave, at noisy places: the loss rises and falls."""
    x = w - NOISE[t]
    loss = (TINY * (0.5 * CURVATURE * x**2 - np.cos(3 * x))).sum()
    return loss, TINY * (CURVATURE * x + 3 * np.sin(3 * x))


SHAPES = {"base": None, "linear": lambda u: u, "quadratic": lambda u: u * u}
SETTINGS = {
    "sgd": {"lr": 0.02},
    "sgd momentum": {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.01},
    "sgd nesterov": {"lr": 0.02, "momentum": 0.9, "nesterov": True},
    "adam decay": {"lr": 0.05, "betas": (0.8, 0.95), "weight_decay": 0.01},
    "sgd dampening": {"lr": 0.02, "momentum": 0.9, "dampening": 0.5},
    "adagrad": {"lr": 0.1},
    "adagrad slower": {"lr": 0.1, "lr_decay": 0.05},
    "rmsprop momentum": {"lr": 0.01, "momentum": 0.5, "weight_decay": 0.01},
}


def ours(name, shape):
    tx = getattr(lm.torch_optim, name.split()[0])(**SETTINGS[name])
    if shape != "base":
        tx = optax.chain(lm.landscape_modify(shape), tx)
    with jax.enable_x64(True):
        w = jnp.asarray(START)
        state = tx.init(w)
        step = jax.jit(tx.update)
        path = []
        for t in range(STEPS):
            loss, grad = value_and_grad(np.asarray(w), t)
            updates, state = step(jnp.asarray(grad), state, w, value=jnp.asarray(loss))
            w = optax.apply_updates(w, updates)
            path.append(np.asarray(w))
    assert path[-1].dtype == np.float64
    return np.array(path)


def modified(shape):
    """value_and_grad with the gradient scaled by hand."""
    c, f = np.inf, SHAPES[shape]

    def scaled(w, t):
        nonlocal c
        loss, grad = value_and_grad(w, t)
        c = min(c, loss)
        return grad if f is None else grad / (f(loss - c) + 1)

    return scaled


def by_hand(name, shape):
    """The update rules in NumPy, as torch.optim documents them."""
    s = {"momentum": 0.0, "weight_decay": 0.0, "nesterov": False, "dampening": 0.0}
    s |= {"lr_decay": 0.0} | SETTINGS[name]
    b1, b2 = s.get("betas", (0.9, 0.999))
    w, gradient = START.copy(), modified(shape)
    m, v, path = np.zeros(6), np.zeros(6), []
    for t in range(STEPS):
        g = gradient(w, t) + s["weight_decay"] * w
        match name.split()[0]:
            case "sgd":
                m = s["momentum"] * m + (g if t == 0 else (1 - s["dampening"]) * g)
                w = w - s["lr"] * (g + s["momentum"] * m if s["nesterov"] else m)
            case "adam":
                m = b1 * m + (1 - b1) * g
                v = b2 * v + (1 - b2) * g * g
                m_hat, v_hat = m / (1 - b1 ** (t + 1)), v / (1 - b2 ** (t + 1))
                w = w - s["lr"] * m_hat / (np.sqrt(v_hat) + 1e-8)
            case "adagrad":
                v = v + g * g
                lr = s["lr"] / (1 + t * s["lr_decay"])
                w = w - lr * g / (np.sqrt(v) + 1e-10)
            case "rmsprop":
                v = 0.99 * v + 0.01 * g * g
                m = s["momentum"] * m + g / (np.sqrt(v) + 1e-8)
                w = w - s["lr"] * m
        path.append(w)
    return np.array(path)


CLASSES = {"sgd": "SGD", "adam": "Adam", "adagrad": "Adagrad", "rmsprop": "RMSprop"}


def by_torch(name, shape):
    torch = pytest.importorskip("torch")
    w = torch.nn.Parameter(torch.tensor(START))
    optimizer = getattr(torch.optim, CLASSES[name.split()[0]])([w], **SETTINGS[name])
    gradient, path = modified(shape), []
    for t in range(STEPS):
        w.grad = torch.tensor(gradient(w.detach().numpy(), t))
        optimizer.step()
        path.append(w.detach().numpy().copy())
    return np.array(path)


@pytest.mark.parametrize(
    "reference",
    [by_hand, pytest.param(by_torch, marks=pytest.mark.torch)],
    ids=["numpy", "torch"],
)
@pytest.mark.parametrize(
    ("name", "shape"),
    [("sgd momentum", "base"), ("rmsprop momentum", "quadratic")]
    + [(name, "linear") for name in SETTINGS],
)
def test_200_steps(name, shape, reference):
    expected = reference(name, shape)
    np.testing.assert_allclose(ours(name, shape), expected, rtol=1e-9, atol=1e-9)
    assert np.ptp(expected, axis=0).max() > 0.1  # it did move


def test_a_schedule_is_taken_for_lr_and_momentum_sees_it_late():
    """torch.optim's momentum is of gradients: the learning rate is applied after it."""
    schedule = optax.piecewise_constant_schedule(1.0, {1: 0.1})
    tx = lm.torch_optim.rmsprop(schedule, momentum=0.5, alpha=0.0, eps=0.0)
    w = jnp.array([0.0])
    state = tx.init(w)
    steps = []
    for _ in range(2):  # every scaled gradient is 1
        updates, state = tx.update(jnp.array([4.0]), state, w)
        steps.append(float(updates[0]))
    np.testing.assert_allclose(steps, [-1, -0.1 * 1.5], rtol=1e-6)


def test_each_part_of_a_complex_gradient_has_its_own_sum_of_squares():
    """Adagrad's first step is the sign of each of the two real numbers."""
    tx = lm.torch_optim.adagrad(1.0)
    params = {"z": jnp.array([3 - 4j], jnp.complex64), "w": jnp.array([2.0])}
    updates, _ = jax.jit(tx.update)(params, tx.init(params), params)
    np.testing.assert_allclose(updates["z"], [-1 + 1j], rtol=1e-6)
    np.testing.assert_allclose(updates["w"], [-1], rtol=1e-6)


@pytest.mark.torch
@pytest.mark.parametrize("name", SETTINGS)
def test_complex_parameters_as_in_torch(name):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    complex_normal = lambda *shape: rng.normal(size=(*shape, 2)) @ np.array([1, 1j])
    start, gradients = complex_normal(3), complex_normal(20, 3)
    z = torch.nn.Parameter(torch.tensor(start))
    optimizer = getattr(torch.optim, CLASSES[name.split()[0]])([z], **SETTINGS[name])
    with jax.enable_x64(True):
        tx = getattr(lm.torch_optim, name.split()[0])(**SETTINGS[name])
        w = jnp.asarray(start)
        state = tx.init(w)
        for gradient in gradients:
            z.grad = torch.tensor(gradient)
            optimizer.step()
            updates, state = tx.update(jnp.asarray(gradient), state, w)
            w = optax.apply_updates(w, updates)
    np.testing.assert_allclose(w, z.detach().numpy(), rtol=1e-9)


@pytest.mark.torch
@pytest.mark.parametrize("name", CLASSES)
def test_positional_arguments_come_in_torchs_order(name):
    torch = pytest.importorskip("torch")
    parameters = inspect.signature(getattr(torch.optim, CLASSES[name])).parameters
    theirs = list(parameters)[1:]  # without params
    ours = inspect.signature(getattr(lm.torch_optim, name)).parameters
    positional = [n for n, p in ours.items() if p.kind is not p.KEYWORD_ONLY]
    assert positional == theirs[: len(positional)]
    for argument in positional:
        default, expected = ours[argument].default, parameters[argument].default
        assert default == expected or (default, expected) == (None, 0)
