"""The batches of a run in a scenario, which all arms of a seed share."""

from typing import NamedTuple

import numpy as np

from experiments.batches.options import RARE_CLASSES, STEPS, Scenario
from experiments.stability.tasks import CLASSES

INPUTS = 30.0  # the factor of a bad image
GAIN = 1000.0  # the factor of a bad loss or gradient
DEVICES = 8


class Batches(NamedTuple):
    """Of a run: (steps, batch) and (steps,).

    Attributes:
      images: their places in the training split, int32.
      labels: as trained on, int32.
      factors: of the images.
      loss_gain, gradient_gain: factors of a step's loss and gradient.
      marked: whether a step's batch is bad, or rare.
      shifted: whether labels are permuted; true from a step on.
    """

    images: np.ndarray
    labels: np.ndarray
    factors: np.ndarray
    loss_gain: np.ndarray
    gradient_gain: np.ndarray
    marked: np.ndarray
    shifted: np.ndarray


def batches(seed: int, scenario: Scenario, labels: np.ndarray) -> Batches:
    """The batches of a seed; `labels` are those of the training split.

    Exactly round(share · steps) batches are bad or rare. Images come in successive
    shuffled epochs, of each group separately where classes are rare.
    """
    # One generator for the order, another for what happens: the first is the same in
    # all scenarios of a batch size.
    order, events = (np.random.default_rng([seed, use]) for use in (0, 1))
    size, share = (STEPS, scenario.batch), scenario.share
    marked = np.zeros(STEPS, bool)
    marked[events.permutation(STEPS)[: round(share * STEPS)]] = True
    rare = np.isin(labels, RARE_CLASSES)
    if not scenario.rare:
        images = _epochs(order, np.arange(len(labels)), STEPS * scenario.batch)
        images = images.reshape(size)
    else:
        chosen = np.repeat(marked[:, None], scenario.batch, axis=1)
        if scenario.mixed:
            marked[:] = False
            chosen = events.permutation(chosen.ravel()).reshape(size)
        images = np.empty(size, np.int32)
        for group, places in ((chosen, rare), (~chosen, ~rare)):
            images[group] = _epochs(order, np.flatnonzero(places), group.sum())
    of_images = labels[images].astype(np.int32)
    shifted = scenario.shift & (np.arange(STEPS) >= STEPS // 2)
    of_images = np.where(shifted[:, None], permuted(of_images), of_images)
    factors, gains = np.ones(size, np.float32), np.ones((2, STEPS), np.float32)
    if scenario.fault in ("inputs", "device"):
        bad = scenario.batch // (DEVICES if scenario.fault == "device" else 1)
        factors[marked, :bad] = INPUTS
        for step in np.flatnonzero(marked):
            of_images[step, :bad] = events.permutation(of_images[step, :bad])
    if scenario.fault in ("scaled", "gradient"):
        gains[1 if scenario.fault == "gradient" else 0 :, marked] = GAIN
    return Batches(images, of_images, factors, gains[0], gains[1], marked, shifted)


def permuted(labels: np.ndarray) -> np.ndarray:
    return (labels + 1) % CLASSES


def _epochs(rng: np.random.Generator, places: np.ndarray, count: int) -> np.ndarray:
    epochs = [rng.permutation(places) for _ in range(-(-count // len(places)))]
    return np.concatenate([*epochs, places[:0]])[:count].astype(np.int32)
