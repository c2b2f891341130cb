"""The origin of a number: versions, machine, commit, command."""

import datetime
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.config.precision import Precision, arithmetic

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("landmod-jax", "jax", "jaxlib", "flax", "optax", "numpy")


def provenance(precision: Precision | None = None) -> dict[str, Any]:
    """Versions, machine, commit, command and the time now, ready for JSON.

    Args:
      precision: of a network's training; its arithmetic is recorded with the machine.
    """
    return {
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command(),
        "commit": commit(),
        "versions": versions(),
        "machine": machine(precision),
    }


def command() -> str:
    main, path = sys.modules.get("__main__"), Path(sys.argv[0])
    spec = None if main is None else main.__spec__
    if spec is not None:  # python -m package
        program = ["python", "-m", spec.name.removesuffix(".__main__")]
    else:
        program = [path.name]
    return shlex.join([*program, *sys.argv[1:]])


def commit(root: Path = ROOT) -> str | None:
    """The checkout's commit, marked "-dirty" if files differ; None outside git.

    Files in results/ do not count: a study that is resumed has changed its own.
    """
    try:
        name = _git(root, "describe --always --abbrev=12 --exclude=*")
        files = _git(root, "status --porcelain -uno -- . :(exclude)results")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{name}-dirty" if files else name


def _git(root: Path, command: str) -> str:
    run = subprocess.run(
        ["git", "-C", root, *command.split()],
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()


def in_words(meta: Mapping[str, Any]) -> str:
    """The machine, the version of JAX and the commit of a run or a study."""
    versions = meta["versions"] or {}
    return f"{device(meta)}, jax {versions.get('jax')}, commit {meta['commit']}"


def device(meta: Mapping[str, Any]) -> str:
    """The machine of a run or a study, its accelerator first."""
    machine = meta["machine"] or {}
    accelerator = machine.get("device", "cpu")
    arithmetic = f" in {machine['arithmetic']}" if "arithmetic" in machine else ""
    on = (
        "" if machine.get("backend", "cpu") == "cpu" else f"{accelerator}{arithmetic}, "
    )
    return f"{on}{machine.get('cpu')}, {machine.get('cores')} core(s)"


def versions() -> dict[str, str]:
    by_package = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            by_package[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return by_package


def machine(precision: Precision | None = None) -> dict[str, Any]:
    import jax

    devices = jax.devices()
    about = {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_model(),
        "cores": cores(),
        "backend": devices[0].platform,
        "device": devices[0].device_kind,
        "devices": len(devices),
    }
    if precision is not None:
        capability = getattr(devices[0], "compute_capability", None)
        about["arithmetic"] = arithmetic(precision, devices[0].platform, capability)
    return about


def cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
