"""From uint8 images to the network's input, on the device, inside the jitted step."""

import jax
import jax.numpy as jnp

from experiments.data.datasets import Pipeline

PAD = 4  # pixels on each side, before the random crop


def normalise(images: jax.Array, pipeline: Pipeline) -> jax.Array:
    """Normalize uint8 (b, h, w, 3) in 0…255 to float32, as the pipeline says."""
    mean, std = (jnp.asarray(v, jnp.float32) for v in (pipeline.mean, pipeline.std))
    return (images.astype(jnp.float32) / 255 - mean) / std


def augment(images: jax.Array, key: jax.Array, pipeline: Pipeline) -> jax.Array:
    """Randomly crop and flip each image independently.

    Args:
      images: (b, h, w, 3) uint8. Padding is black, that is zero before normalizing.
      key: one key for the batch; image i depends on the key, on i and on b.

    Returns:
      (b, h, w, 3) uint8.
    """
    crop_key, flip_key = jax.random.split(key)
    for step in pipeline.steps:
        images = _crop(images, crop_key) if step == "crop" else _flip(images, flip_key)
    return images


def _crop(images: jax.Array, key: jax.Array) -> jax.Array:
    b, h, w, channels = images.shape
    corners = jax.random.randint(key, (b, 2), 0, 2 * PAD + 1)
    padded = jnp.pad(images, ((0, 0), (PAD, PAD), (PAD, PAD), (0, 0)))

    def window(image: jax.Array, corner: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice(image, (corner[0], corner[1], 0), (h, w, channels))

    return jax.vmap(window)(padded, corners)


def _flip(images: jax.Array, key: jax.Array) -> jax.Array:
    flip = jax.random.bernoulli(key, 0.5, (images.shape[0], 1, 1, 1))
    return jnp.where(flip, images[:, :, ::-1], images)
