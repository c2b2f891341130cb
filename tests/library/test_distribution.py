"""The wheel and the sdist: what is in them, and what they say of the package."""

import email
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

import landmod_jax

ROOT = Path(__file__).resolve().parents[2]
VERSION = landmod_jax.__version__
# What is in the repository and in no sdist: of use to its host only.
LEFT_OUT = (".ci/", ".github/", ".readthedocs.yaml")


@pytest.fixture(scope="module")
def backend():
    return pytest.importorskip("hatchling.build", reason="hatchling is not installed")


@pytest.fixture(scope="module")
def sdist(backend, tmp_path_factory):
    """The name of each file in the sdist, and where the sdist is unpacked."""
    out = tmp_path_factory.mktemp("sdist")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        name = backend.build_sdist(str(out))
    assert name == f"landmod_jax-{VERSION}.tar.gz"
    with tarfile.open(out / name) as archive:
        archive.extractall(out, filter="data")
    top = out / f"landmod_jax-{VERSION}"
    files = {f.relative_to(top).as_posix() for f in top.rglob("*") if f.is_file()}
    return files, top


def wheel(backend, folder, out):
    """Each file of the wheel that `folder` makes, by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        name = backend.build_wheel(str(out))
    assert name == f"landmod_jax-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(out / name) as archive:
        return {item: archive.read(item) for item in archive.namelist()}


def sources():
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-zco", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    names = listed.stdout.decode().split("\0")
    return {name for name in names if name and (ROOT / name).is_file()}


def test_the_wheel_has_the_library_and_nothing_else(backend, tmp_path):
    files = wheel(backend, ROOT, tmp_path)
    own = {name for name in files if name.startswith("landmod_jax/")}
    info = f"landmod_jax-{VERSION}.dist-info"
    assert set(files) - own == {
        f"{info}/METADATA",
        f"{info}/RECORD",
        f"{info}/WHEEL",
        f"{info}/licenses/LICENSE",
    }
    assert "landmod_jax/py.typed" in own
    assert own == {
        f.relative_to(ROOT).as_posix()
        for pattern in ("*.py", "py.typed")
        for f in (ROOT / "landmod_jax").rglob(pattern)
    }
    told = email.message_from_bytes(files[f"{info}/METADATA"])
    assert told["Version"] == VERSION
    assert told["License-Expression"] == "Apache-2.0"
    assert told["Description-Content-Type"] == "text/markdown"
    needs = [r for r in told.get_all("Requires-Dist") if "extra ==" not in r]
    assert [r.partition(">")[0] for r in needs] == ["jax", "jaxlib", "optax"]


def test_the_sdist_is_complete(sdist):
    files, _ = sdist
    assert files - sources() <= {"PKG-INFO"}
    assert all(name.startswith(LEFT_OUT) for name in sources() - files)


def test_the_citation_has_the_version():
    assert f"\nversion: {VERSION}\n" in (ROOT / "CITATION.cff").read_text("utf-8")


def test_the_changelog_has_the_version():
    assert f"\n## {VERSION} " in (ROOT / "CHANGELOG.md").read_text("utf-8")
