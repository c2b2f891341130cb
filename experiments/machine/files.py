"""Writing files so that a kill, a full disk or a second writer loses nothing."""

import contextlib
import gzip
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path next to `path` to write to; it is renamed to `path` at the end.

    The file is flushed to disk before it is renamed. If the block raises, the partial
    file is deleted and `path` stays as it was. The partial file keeps the suffixes of
    `path`, from which pandas and Matplotlib infer the format.
    """
    part = path.with_name(f".{secrets.token_hex(4)}.part.{path.name}")
    try:
        yield part
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def replacing_cache(cache: Path) -> Iterator[Path]:
    """Like `replacing`, in a directory that is made; what fails is the user's error."""
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with replacing(cache) as part:
            yield part
    except OSError as error:
        raise UserError(
            f"cannot write the cache {cache} ({error}): choose a writable directory "
            "with enough room with --cache-dir"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a whole text file as UTF-8, whatever the locale."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_frame(frame: "pd.DataFrame", part: Path, name: str, **options: Any) -> None:
    """Write rows as CSV, with the same bytes each time and on every system.

    Args:
      frame: the rows.
      part: the path to write to, from `replacing`.
      name: the file's final name; with ".gz", the file is compressed and contains it.
      options: of `DataFrame.to_csv`.
    """
    options = {"index": False, "encoding": "utf-8", "lineterminator": "\n"} | options
    if not name.endswith(".gz"):
        frame.to_csv(part, **options)
        return
    with (
        open(part, "wb") as raw,
        gzip.GzipFile(name, "wb", fileobj=raw, mtime=0) as file,
    ):
        frame.to_csv(file, mode="wb", **options)


def flush_tree(directory: Path) -> None:
    """Flush a directory and everything in it to disk, before it is renamed."""
    for path in [*directory.rglob("*"), directory]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def default_cache_dir() -> Path:
    """`landmod_jax` in the user's cache directory.

    Raises:
      UserError: there is no home directory for it.
    """
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError as error:
        raise UserError(
            "there is no home directory for the cache: choose one with --cache-dir"
        ) from error
    return Path(base) / "landmod_jax"
