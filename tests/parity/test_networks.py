"""Networks and training steps against PyTorch, from the same weights."""

import copy
import dataclasses
import functools
import importlib

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import landmod_jax
import models
from experiments.config.arms import LM
from experiments.config.execution import Execution
from experiments.config.run import RunConfig
from experiments.data.datasets import Pipeline
from experiments.errors import UserError
from experiments.runs import plan
from experiments.train.problem import Problem
from experiments.train.step import Batch, TrainState, train_step
from models.torch import files

torch = pytest.importorskip("torch")
networks = importlib.import_module("models.torch.networks")
pytestmark = pytest.mark.torch

NAMES = ("simple_cnn", "nn2", "vgg16", "vgg16_bn", "preresnet20")


@functools.cache
def pair(name):
    """The network in PyTorch, and ours with its weights."""
    torch.manual_seed(0)
    net = networks.create(name)
    for module in net.modules():  # neither zeros nor ones, so that swaps show
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.2)
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    variables = models.convert(name, networks.numpy_state(net))
    return net, variables


def batch(size=16, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((size, 32, 32, 3), dtype=np.float32)
    return images, rng.integers(0, 10, size)


def to_torch(images):
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy())


def relative_error(got, expected):
    return np.linalg.norm(got - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("name", NAMES)
def test_logits(name):
    net, variables = pair(name)
    images, _ = batch()
    with torch.no_grad():
        expected = net.eval()(to_torch(images)).numpy()
    got = jax.jit(models.create(name).apply)(variables, images)
    assert relative_error(got, expected) < 1e-4


def lightning(net):
    """A module around the network, in a checkpoint."""
    whole = torch.nn.Module()
    whole.net = net
    return {"state_dict": whole.state_dict(), "epoch": 3}


CHECKPOINTS = {
    "tensors": lambda net: net.state_dict(),
    "model and EMA's decay": lambda net: {"model": net.state_dict(), "decay": 0.999},
    "DataParallel": lambda net: torch.nn.DataParallel(net).state_dict(),
    "torch.compile": lambda net: torch.compile(net).state_dict(),
    "both": lambda net: torch.compile(torch.nn.DataParallel(net)).state_dict(),
    "AveragedModel": lambda net: torch.optim.swa_utils.AveragedModel(net).state_dict(),
    "lightning": lightning,
    "net": lambda net: {"net": net.state_dict(), "acc": 91.2, "epoch": 3},
    "float64": lambda net: copy.deepcopy(net).double().state_dict(),
    "optimizer": lambda net: {
        "model_state_dict": net.state_dict(),
        "optimizer_state_dict": torch.optim.Adam(net.parameters()).state_dict(),
    },
}


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_a_checkpoint_as_pytorch_makes_it(checkpoint, tmp_path):
    name = "preresnet20"
    net, variables = pair(name)
    torch.save(CHECKPOINTS[checkpoint](net), tmp_path / "saved.pt")
    loaded = files.read(tmp_path / "saved.pt")
    chex.assert_trees_all_equal(models.convert(name, loaded), variables)


def test_a_whole_module_is_converted_but_not_unpickled(tmp_path):
    net, variables = pair("nn2")
    chex.assert_trees_all_equal(models.convert("nn2", net), variables)
    torch.save(net, tmp_path / "net.pth")
    with pytest.raises(ValueError, match=r"weights_only=True .*net\.state_dict"):
        files.read(tmp_path / "net.pth")


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_safetensors(tmp_path, dtype):
    save = pytest.importorskip("safetensors.torch").save_file
    net = copy.deepcopy(pair("simple_cnn")[0]).to(getattr(torch, dtype))
    save(net.state_dict(), tmp_path / "net.safetensors")
    loaded = models.convert("simple_cnn", files.read(tmp_path / "net.safetensors"))
    chex.assert_trees_all_equal(loaded, models.convert("simple_cnn", net))


@pytest.mark.parametrize("name", ["bad.pt", "bad.safetensors", "bad.ckpt"])
def test_a_file_that_is_no_checkpoint_is_named(tmp_path, name):
    if name == "bad.safetensors":
        pytest.importorskip("safetensors")
    (tmp_path / name).write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match=name):
        files.read(tmp_path / name)


def test_a_run_starts_from_a_file(tmp_path):
    net, variables = pair("simple_cnn")
    half = copy.deepcopy(net).half().state_dict()
    torch.save({"ema": {"model": half}}, tmp_path / "net.pt")
    config = RunConfig("digits", "simple_cnn", "sgd", "base", 0, 1, 0.1)
    source = Execution(init_from=tmp_path / "net.pt")
    source.check()
    _, got = plan.ordered([config], tmp_path, source, tmp_path)
    expected = jax.tree.map(lambda x: x.astype(np.float16), variables["params"])
    chex.assert_trees_all_equal(got["params"], expected)
    other = dataclasses.replace(config, model="nn2")
    with pytest.raises(UserError, match=r"does not fit nn2:\n(  .*\n){10}"):
        plan.ordered([other], tmp_path, source, tmp_path)


TORCH_OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=5e-4),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-3),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=1e-2),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=1e-3),
}
OURS = {
    "sgd": functools.partial(
        landmod_jax.torch_optim.sgd, 0.01, momentum=0.9, weight_decay=5e-4
    ),
    "adam": functools.partial(landmod_jax.torch_optim.adam, 1e-3),
    "adagrad": functools.partial(landmod_jax.torch_optim.adagrad, 1e-2),
    "rmsprop": functools.partial(landmod_jax.torch_optim.rmsprop, 1e-3),
}


@pytest.mark.parametrize("optimizer", list(OURS))
@pytest.mark.parametrize("name", ["simple_cnn", "preresnet20"])
def test_ten_lm_steps_with_gradients_scaled_by_hand(name, optimizer):
    """The published way: every .grad is divided by (loss - c)₊ + 1, then step().

    float64 on both sides: what is compared is the algorithm. (In float32 the first
    steps of Adam, Adagrad and RMSProp are signs of gradients, and a gradient near zero
    has either sign.)
    """
    net, variables = pair(name)
    net = copy.deepcopy(net).double().train()
    with jax.enable_x64(True):
        problem = Problem(
            model=models.create(name, dtype=jnp.float64),
            tx=optax.chain(landmod_jax.landscape_modify(), OURS[optimizer]()),
            pipeline=Pipeline((0.0,) * 3, (1.0,) * 3),
            classes=10,
            arm=LM,
            image_shape=(32, 32, 3),
        )
        variables = jax.tree.map(lambda v: jnp.asarray(v, jnp.float64), variables)
        state = TrainState(
            jnp.zeros((), jnp.int32),
            variables["params"],
            variables.get("batch_stats", {}),
            problem.tx.init(variables["params"]),
        )
        step = jax.jit(functools.partial(train_step, problem))
        theirs = TORCH_OPTIMIZERS[optimizer](net.parameters())
        c = float("inf")
        for i in range(10):
            images, labels = batch(8, seed=i)
            loss = torch.nn.functional.cross_entropy(
                net(to_torch(images).double()), torch.from_numpy(labels)
            )
            theirs.zero_grad()
            loss.backward()
            c = min(c, loss.item())
            for parameter in net.parameters():
                parameter.grad /= max(loss.item() - c, 0.0) + 1.0
            theirs.step()
            state, metrics = step(
                state,
                Batch(jnp.asarray(images, jnp.float64), jnp.asarray(labels)),
                jax.random.key(0),
            )
            np.testing.assert_allclose(metrics.loss, loss.item(), rtol=1e-4)
            np.testing.assert_allclose(metrics.c, c, rtol=1e-4)
        expected = models.convert(
            name, {k: v.numpy() for k, v in net.state_dict().items()}
        )
        got = {"params": state.params, "batch_stats": state.batch_stats}
        for kind in expected:
            leaves = map(jax.tree.leaves, (got[kind], expected[kind]))
            for g, e in zip(*leaves, strict=True):
                assert relative_error(g, e) < 1e-4
