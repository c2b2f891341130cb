"""The notebook: its cells run in order, and what it shows is what they gave."""

import json

import matplotlib.pyplot as plt
import pytest

from tests.docs.snippets import ROOT

NOTEBOOK = ROOT / "examples" / "landmod_jax.ipynb"


@pytest.fixture(scope="module")
def cells():
    found = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


@pytest.mark.slow
def test_the_cells_run_in_order(cells, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANDMOD_SMALL", "1")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    namespace = {"__name__": "__main__"}
    with plt.rc_context():
        for number, cell in enumerate(cells, start=1):
            name = f"{NOTEBOOK.name}, code cell {number}"
            exec(compile("".join(cell["source"]), name, "exec"), namespace)
    assert set(namespace["results"]) == {"plain", "LM", "clipping"}
    assert "runs that collapse, of 2" in capsys.readouterr().out


def test_its_outputs_are_of_one_run_at_full_size(cells):
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert all(output["output_type"] != "error" for output in outputs)
    printed = "".join("".join(output["text"]) for output in outputs if "text" in output)
    assert "runs that collapse, of 8" in printed
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert len(pictures) == 2
    assert NOTEBOOK.stat().st_size < 200_000
