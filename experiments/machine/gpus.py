"""Several processes on one GPU: whether NVIDIA's MPS lets them run at once."""

import os
from pathlib import Path

NO_MPS = (
    "note: {jobs} processes share {gpus} GPU(s) and take turns, because NVIDIA's MPS "
    "is off; `nvidia-cuda-mps-control -d` starts it (docs/performance.md)"
)


def mps_is_on() -> bool:
    """Whether MPS's control daemon has its pipe where CUDA looks for it."""
    place = os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps")
    return (Path(place) / "control").exists()


def sharing(jobs: int, gpus: int) -> str | None:
    """The note on this many processes, if they share GPUs."""
    if jobs <= gpus or mps_is_on():
        return None
    return NO_MPS.format(jobs=jobs, gpus=gpus)
