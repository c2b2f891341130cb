"""What every benchmark writes: its settings, its machine, its rows."""

import dataclasses
import datetime
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.errors import UserError
from experiments.machine.files import write_text


def check(config: Any) -> None:
    """Check a command's options before anything is timed.

    Raises:
      UserError: a number is not greater than 0, a network is unknown, or `out` cannot
        be written.
    """
    import models

    asked = dataclasses.asdict(config)
    for model in asked.get("models", [asked["model"]] if "model" in asked else []):
        try:
            models.create(model)
        except ValueError as error:
            raise UserError(str(error)) from error
    for name, value in asked.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and value <= 0:
            option = name.replace("_", "-")
            raise UserError(f"--{option} must be greater than 0, got {value}")
    out = config.out
    if out is None:
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.is_dir():
            raise IsADirectoryError("it is a directory")
        tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise UserError(f"cannot write the figures to {out}: {error}") from error


def write(
    out: Path | None, config: Any, rows: Sequence[dict[str, Any]], **more: Any
) -> None:
    """Write the figures as JSON, if there is a file for them.

    Args:
      out: the file, or None.
      config: the command's options. Paths are left out, because they describe only the
        machine.
      more: other fields, such as versions and machine.
    """
    if out is None:
        return
    settings = {
        name: value
        for name, value in dataclasses.asdict(config).items()
        if name != "out" and not _has_path(value)
    }
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    figures = {"written": started, "settings": settings, **more, "rows": list(rows)}
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, json.dumps(figures, indent=2, ensure_ascii=False) + "\n")


def _has_path(value: Any) -> bool:
    parts = value if isinstance(value, tuple) else (value,)
    return any(isinstance(part, Path) for part in parts)


def where() -> dict[str, Any]:
    """Commit, versions and machine of this process, which must have JAX."""
    from experiments.runs.provenance import commit, machine, versions

    return {"commit": commit(), "versions": versions(), "machine": machine()}
