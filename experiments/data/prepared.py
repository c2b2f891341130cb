"""What tensorflow_datasets prepares: placed and read, or prepared if missing.

    DATA_DIR/NAME/VERSION/dataset_info.json, features.json, shards

Reading `array_record` shards needs no TensorFlow; tfds's default, `tfrecord`, does.
"""

import contextlib
import importlib.util
import json
import logging
import os
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.errors import UserError

INFO = "dataset_info.json"
SPLITS = ("train", "test")
_PUBLISHERS = {
    "tiny_shakespeare": "https://raw.githubusercontent.com/karpathy/char-rnn/master/"
    "Readme.md"
}
_CIFAR = "https://www.cs.toronto.edu/~kriz/cifar.html"


def read(
    name: str,
    data_dir: Path | None,
    cache: Path,
    of: Callable[[Path], Any] | None = None,
) -> Any:
    """The uint8 images and labels of both splits, and the names of the classes.

    Args:
      data_dir: a tensorflow_datasets directory, its parent, or the directory of the
        data set or of its version; by default, that package's own. If the data set is
        missing, it is downloaded and prepared there.
      cache: named by the errors as the other way to provide the data.
      of: reads a prepared directory; by default, its images and labels.

    Raises:
      UserError: there is neither a prepared data set nor a way to prepare it.
    """
    place = None
    root = default_data_dir() if data_dir is None else data_dir
    try:
        if data_dir is not None and not root.is_dir():
            raise UserError(f"--data-dir {root} is not a directory")
        place = find(name, root)
        return (of or _read)(place or _prepare(name, root))
    except UserError:
        raise
    # No package, no network, no room, damaged files: tensorflow_datasets raises what
    # its many parts raise, and the ways out are the same.
    except Exception as error:
        reason = " ".join(str(error).split()) or "no reason given"
        kind = type(error).__name__
        raise UserError(
            _advice(name, root, place, f"{kind}: {reason}", cache)
        ) from error


def _advice(name: str, root: Path, place: Path | None, reason: str, cache: Path) -> str:
    other = f"put {cache.name} from another machine's cache at {cache}"
    if place is None:
        what = f"{name} is not in {root}, and preparing it failed"
        way = (
            "with a network, pip install '.[data]', then run this again; or give "
            "--data-dir a directory that tensorflow_datasets prepared elsewhere"
        )
    else:
        what = f"{name} in {place} was prepared as {_format(place)} and cannot be read"
        way = "choose an empty directory with --data-dir to prepare it there again"
        if _format(place) != "array_record" and not _installed("tensorflow"):
            way = "pip install '.[data]': only TensorFlow reads this format"
    return f"{what} ({reason}). Two ways:\n  1. {way};\n  2. {other}"


def default_data_dir() -> Path:
    """The directory in which tensorflow_datasets keeps prepared data."""
    return Path(
        os.environ.get("TFDS_DATA_DIR") or os.path.expanduser("~/tensorflow_datasets")
    )


def find(name: str, root: Path) -> Path | None:
    """The newest version of the prepared data set at, in or directly below `root`."""
    for pattern in (f"{name}/*/{INFO}", INFO, f"*/{INFO}", f"*/{name}/*/{INFO}"):
        places = [path.parent for path in root.glob(pattern)]
        places = [path for path in places if _info(path).get("name", name) == name]
        if places:
            return max(places, key=_preference)
    return None


def _preference(prepared: Path) -> tuple[bool, list[int]]:
    """Formats that need no TensorFlow sort first, then newer versions."""
    version = [int(part) for part in prepared.name.split(".") if part.isdecimal()]
    return _format(prepared) == "array_record", version


def _format(prepared: Path) -> str:
    return str(_info(prepared).get("fileFormat") or "tfrecord")  # old ones lack it


def _info(prepared: Path) -> dict[str, Any]:
    try:
        info = json.loads((prepared / INFO).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return info if isinstance(info, dict) else {}


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _prepare(name: str, root: Path) -> Path:
    tfds = _tfds()
    builder = tfds.builder(
        name,
        data_dir=str(root),
        file_format="array_record" if _installed("array_record") else None,
    )
    _reach_publisher(_PUBLISHERS.get(name, _CIFAR))
    builder.download_and_prepare()
    return Path(builder.data_dir)


def _read(prepared: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    builder = _tfds().builder_from_directory(str(prepared))
    splits = {}
    for split in SPLITS:
        images, labels = [], []
        for example in _examples(builder, split, _format(prepared)):
            images.append(example["image"])
            labels.append(example["label"])
        splits[f"{split}_images"] = np.stack(images)
        splits[f"{split}_labels"] = np.array(labels)
    return splits, np.array(builder.info.features["label"].names)


def text(prepared: Path) -> bytes:
    """The text of a data set of texts: that of all splits, joined."""
    builder = _tfds().builder_from_directory(str(prepared))
    return b"".join(
        example["text"]
        for split in ("train", "validation", "test")
        for example in _examples(builder, split, _format(prepared))
    )


def _examples(builder: Any, split: str, file_format: str) -> Any:
    if file_format == "array_record":
        return builder.as_data_source(split)
    import tensorflow as tf

    # Otherwise TensorFlow reserves the GPU's memory.
    with contextlib.suppress(RuntimeError):
        tf.config.set_visible_devices([], "GPU")
    return builder.as_dataset(split=split).as_numpy_iterator()


def _tfds() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors only
    import tensorflow_datasets as tfds

    logging.getLogger("absl").setLevel(logging.ERROR)
    return tfds


def _reach_publisher(url: str) -> None:
    """Fail within seconds; tensorflow_datasets would retry for minutes."""
    urllib.request.urlopen(url, timeout=10).close()
