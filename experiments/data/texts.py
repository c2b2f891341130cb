"""Texts for language models: Tiny Shakespeare, and one that needs no download.

Tiny Shakespeare comes from tensorflow_datasets and is kept as a file of text, which
training reads. A machine with the file needs neither TensorFlow nor network access.
"""

import hashlib
import importlib.resources
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.data import prepared
from experiments.errors import UserError
from experiments.machine import files, untrusted

NAME, FILE = "tiny_shakespeare", "tinyshakespeare.txt"
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


class Text(NamedTuple):
    """A text in three successive parts, as numbers of its characters (n,) uint8."""

    characters: str  # those of the whole text, sorted
    train: np.ndarray
    held_out: np.ndarray
    test: np.ndarray


def shakespeare(data_dir: Path | None, cache_dir: Path | None) -> Text:
    """Tiny Shakespeare, split as tensorflow_datasets does: 90, 5 and 5%.

    Args:
      data_dir: a tensorflow_datasets directory; by default, that package's own.
      cache_dir: where FILE is kept; by default under the user's cache directory.

    Raises:
      UserError: the text cannot be obtained, or is another.
    """
    cache = (cache_dir or files.default_cache_dir()) / FILE
    try:
        content = untrusted.read_bytes(cache)
        source = f"the cache {cache}"
        remedy = "move it away or choose another --cache-dir, and it will be made again"
    except FileNotFoundError:
        content = prepared.read(NAME, data_dir, cache, prepared.text)
        source = f"{NAME} as tensorflow_datasets prepared it"
        remedy = "choose an empty directory with --data-dir to prepare it there again"
    except (OSError, ValueError) as error:
        raise UserError(
            f"cannot read the cache {cache} ({error}); move it away or choose another "
            "--cache-dir, and it will be made again"
        ) from error
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise UserError(
            f"{source} is not Tiny Shakespeare (checksum differs); {remedy}"
        )
    if not cache.exists():
        with files.replacing_cache(cache) as part:
            part.write_bytes(content)
    return split(content.decode(), 0.9)


def descriptions() -> Text:
    """scikit-learn's descriptions of its data sets, split into 80, 10 and 10%."""
    folder = importlib.resources.files("sklearn.datasets.descr")
    pages = sorted(x.name for x in folder.iterdir() if x.name.endswith(".rst"))
    return split("\n".join((folder / x).read_text("utf-8") for x in pages), 0.8)


def split(text: str, share: float) -> Text:
    """A text of which `share` is trained on; the rest is divided evenly."""
    characters = "".join(sorted(set(text)))
    number = {character: i for i, character in enumerate(characters)}
    tokens = np.array([number[character] for character in text], np.uint8)
    first = int(share * len(tokens))
    second = first + int(0.5 * (len(tokens) - first))
    return Text(characters, tokens[:first], tokens[first:second], tokens[second:])
