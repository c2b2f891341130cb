"""What is said of processes that share a GPU."""

import pytest

from experiments.machine import gpus


@pytest.mark.parametrize("control", [False, True])
def test_processes_that_take_turns_on_a_gpu_are_told_of_mps(
    control, tmp_path, monkeypatch
):
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    if control:
        (tmp_path / "control").touch()
    assert gpus.mps_is_on() == control
    said = gpus.sharing(jobs=4, gpus=1)
    assert (said is None) == control
    assert control or "4 processes share 1 GPU(s) and take turns" in said
    assert gpus.sharing(jobs=2, gpus=2) is None
