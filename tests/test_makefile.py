"""`make` with a Python that cannot be used leaves nothing that the next one meets."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON_3_9 = f"""#!/bin/sh
exec {sys.executable} -c \
  'import sys; sys.version_info = (3, 9, 18); exec(sys.argv[1])' "$2"
"""
VENV_FAILS_HALFWAY = f"""#!/bin/sh
case $1 in -c) exec {sys.executable} "$@";; esac
mkdir -p $3/bin; touch $3/bin/python; exit 1
"""

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="needs make")


@pytest.mark.parametrize(
    ("python", "message"),
    [
        (PYTHON_3_9, "ERROR: Python 3.11 or newer is needed, not 3.9"),
        (VENV_FAILS_HALFWAY, ""),
    ],
    ids=["too old", "no venv"],
)
def test_no_environment_is_left(python, message, tmp_path):
    shim = tmp_path / "python"
    shim.write_text(python)
    shim.chmod(0o755)
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    run = subprocess.run(
        ["make", ".venv/.test", f"PYTHON={shim}", "VENV=.venv"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2
    assert message in run.stderr
    assert not (tmp_path / ".venv").exists()
