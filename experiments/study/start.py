"""Starting and resuming a study: what it is, and whether its directory allows it."""

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.errors import UserError
from experiments.machine.locks import is_held, locked
from experiments.runs.result_directory import MARK
from experiments.study import registry, store
from experiments.study.record import Study

# JAX's settings on which a part's numbers depend.
SETTINGS = (
    "jax_default_prng_impl", "jax_threefry_partitionable", "jax_enable_x64",
    "jax_default_matmul_precision",
)  # fmt: skip


def refuse(study: Study, config: Any) -> None:
    """Raise UserError where the directory does not allow to measure such a study."""
    out = config.out
    for other in registry.studies():
        if other.index != study.index and (out / other.index).exists():
            raise UserError(f"{out} has a {other.name}: choose another --out")
    if any((out / name).exists() for name in ("runs", "runs.csv", MARK)):
        raise UserError(f"{out} has training runs: choose another --out")
    if not (out / study.index).exists():
        return
    if config.overwrite:
        if _busy(out):
            raise UserError(f"{out}: another command is measuring this {study.name}")
        return
    if not _begun(study, out):
        return
    if not config.resume:
        raise UserError(
            f"{out} has a {study.name}: add --resume to measure the {study.noun}s that "
            "it lacks, --overwrite to replace it, or choose another --out"
        )
    content = store.index(study, out)
    if "id" not in content.study:
        raise UserError(
            f"{out} does not say with which options it was measured, so it cannot be "
            "resumed: choose another --out"
        )
    known = content.study["options"]
    for name, wanted in _as_json(study.options(config)).items():
        if name in known and known[name] != wanted:
            raise UserError(
                f"--{name.replace('_', '-')} was {_shown(known[name])} in {out}, not "
                f"{_shown(wanted)}: resume the study with the options that it was "
                "started with, or choose another --out"
            )
    for name, value in _settings().items():
        before = content.study.get("jax", {}).get(name, value)
        if before != value:
            raise UserError(
                f"{name} was {before!r} in {out}, not {value!r}: resume the study with "
                "JAX's settings that it was started with, or choose another --out"
            )


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _settings() -> dict[str, Any]:
    import jax

    return {name: getattr(jax.config, name) for name in SETTINGS}


def _begun(study: Study, out: Path) -> bool:
    """Whether there is more of a study than its record."""
    content = store.index(study, out)
    return bool(content.parts or content.damaged or store.pieces(out) or _busy(out))


def _busy(out: Path) -> bool:
    return any(is_held(path) for path in out.glob(".*.lock") if path.name != store.LOCK)


@contextlib.contextmanager
def working(study: Study, config: Any) -> Iterator[str]:
    """Record what the study is, before anything is measured; gives its id.

    While this lasts, no other command replaces the study.

    Raises:
      UserError: see `refuse`; or the directory cannot be written to.
    """
    out = config.out
    with contextlib.ExitStack() as stack:
        try:
            out.mkdir(parents=True, exist_ok=True)
            with store.index_locked(out):
                refuse(study, config)
                id_ = _recorded(study, config)
                for path in out.glob(".*.lock"):
                    if path.name != store.LOCK:
                        with locked(path):  # deletes it if a killed command left it
                            pass
                stack.enter_context(locked(out / f".{store.COMMAND}{os.getpid()}.lock"))
        except OSError as error:
            raise UserError(f"cannot write a {study.name} to {out}: {error}") from error
        yield id_


def _recorded(study: Study, config: Any) -> str:
    """Write what the study is into its index, without the parts that it replaces."""
    out = config.out
    entries = {} if config.overwrite else store.entries_of(study, out)
    old = store.files_of(study, out) if config.overwrite else []
    asked = {"kind": study.name, "options": study.options(config), "jax": _settings()}
    asked, record = _as_json(asked), entries.pop(store.RECORD, None)
    if not record or not (_begun(study, out) or asked.items() <= record.items()):
        record = {"id": secrets.token_hex(4)} | asked
    store.write_index(study, out, {store.RECORD: record} | entries)
    for path in old:  # files without an entry count for nothing
        path.unlink(missing_ok=True)
    if config.overwrite:
        shutil.rmtree(out / store.PIECES, ignore_errors=True)
    return str(record["id"])


def _as_json(values: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(values))
