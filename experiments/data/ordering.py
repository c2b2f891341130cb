"""A canonical order of images, and a fingerprint that does not depend on any."""

import zlib

import numpy as np


def canonical_order(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.lexsort((labels, _checksums(images, np.zeros_like(labels))))


def _checksums(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.array(
        [
            zlib.crc32(image.tobytes(), int(label))
            for image, label in zip(images, labels, strict=True)
        ],
        np.uint64,
    )


def fingerprint(images: np.ndarray, labels: np.ndarray) -> int:
    """A checksum of labeled images that does not depend on their order."""
    return int(_checksums(images, labels).sum(dtype=np.uint64))
