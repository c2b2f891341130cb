"""Crop, flip and normalization against NumPy by hand."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.config.networks import pipeline
from experiments.config.options import Protocol
from experiments.data.augment import PAD, augment, normalise
from experiments.data.datasets import CIFAR, CIFAR_VGG, DATASETS, DIGITS, Pipeline
from experiments.train.problem import make_problem
from experiments.train.step import Images, make_batch


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return rng.integers(1, 256, (64, 32, 32, 3), np.uint8)  # no zeros: padding shows


def with_steps(*steps):
    return Pipeline((0.0,) * 3, (1.0,) * 3, steps)


def test_every_crop_is_a_window_of_the_padded_image(images):
    cropped = np.asarray(augment(images, jax.random.key(0), with_steps("crop")))
    chex.assert_shape(cropped, images.shape)
    assert cropped.dtype == np.uint8
    padded = np.pad(images, ((0, 0), (PAD, PAD), (PAD, PAD), (0, 0)))
    corners_seen = set()
    for image, original in zip(cropped, padded):
        corners = [
            (y, x)
            for y in range(2 * PAD + 1)
            for x in range(2 * PAD + 1)
            if np.array_equal(image, original[y : y + 32, x : x + 32])
        ]
        assert len(corners) == 1
        corners_seen |= set(corners)
    assert len(corners_seen) > 30  # 64 images, 81 windows: far from one shift for all
    for shifts in zip(*corners_seen):
        assert set(shifts) == set(range(2 * PAD + 1))


def test_a_flip_mirrors_half_of_the_images(images):
    flipped = np.asarray(augment(images, jax.random.key(1), with_steps("flip")))
    mirrored = 0
    for image, original in zip(flipped, images):
        if np.array_equal(image, original[:, ::-1]):
            mirrored += 1
        else:
            np.testing.assert_array_equal(image, original)
    assert 18 <= mirrored <= 46  # binomial(64, 1/2): outside once in 2,000


def test_the_published_order_of_steps(images):
    assert CIFAR.steps == ("crop", "flip")
    assert CIFAR_VGG.steps == ("flip", "crop")
    assert pipeline(DATASETS["cifar10"], "nn2") is CIFAR
    assert pipeline(DATASETS["cifar100"], "preresnet110") is CIFAR
    assert pipeline(DATASETS["cifar100"], "vgg16") is CIFAR_VGG
    assert pipeline(DATASETS["digits"], "vgg16") is DIGITS


@pytest.mark.parametrize("model", ["nn2", "vgg16"])
def test_without_augmentation_images_are_normalized_as_with_it(images, model):
    plain = pipeline(DATASETS["cifar10"], model, augment=False)
    augmented = pipeline(DATASETS["cifar10"], model)
    np.testing.assert_array_equal(augment(images, jax.random.key(0), plain), images)
    np.testing.assert_array_equal(
        normalise(images, plain), normalise(images, augmented)
    )


def test_a_run_without_augmentation_trains_on_the_images_as_they_are(images):
    config = Protocol(augment=False).run("cifar10", "simple_cnn", "sgd", "base", 0)
    problem = make_problem(config, 1)
    data = Images(jnp.asarray(images), jnp.zeros(len(images), jnp.int32))
    batch = make_batch(data, jnp.arange(64), jax.random.key(0), problem.pipeline)
    np.testing.assert_allclose(batch.images, normalise(images, CIFAR), atol=1e-6)


def test_the_same_key_gives_the_same_images_and_another_does_not(images):
    once, twice = (augment(images, jax.random.key(3), CIFAR) for _ in range(2))
    other = augment(images, jax.random.key(4), CIFAR)
    np.testing.assert_array_equal(once, twice)
    assert not np.array_equal(once, other)


def test_normalization_by_hand(images):
    expected = images[0, 5, 7] / 255
    expected = (expected - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    got = normalise(jnp.asarray(images), CIFAR_VGG)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got[0, 5, 7], expected, rtol=1e-6)


def test_black_padding_becomes_minus_mean_over_std():
    black = normalise(jnp.zeros((1, 1, 1, 3), jnp.uint8), CIFAR)
    expected = -np.array([0.4914, 0.4822, 0.4465]) / [0.2023, 0.1994, 0.2010]
    np.testing.assert_allclose(black[0, 0, 0], expected, rtol=1e-6)


def test_digits_constants_are_the_training_sets():
    from experiments.data import loading

    pixels = loading.load("digits").train_images / 255
    np.testing.assert_allclose(pixels.mean(), DIGITS.mean[0], atol=1e-4)
    np.testing.assert_allclose(pixels.std(), DIGITS.std[0], atol=1e-4)
