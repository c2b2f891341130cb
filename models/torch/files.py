"""Checkpoints of PyTorch on the disk, read without running what is in them."""

import pickle
from pathlib import Path
from typing import Any

SUFFIXES = (".pt", ".pth", ".safetensors")


def read(path: str | Path) -> Any:
    """What `torch.save` or safetensors wrote, for `models.convert`; tensors on the CPU.

    Args:
      path: ends in .pt or .pth, or in .safetensors.

    Raises:
      ImportError: PyTorch or safetensors, which the file needs, is not installed.
      OSError: the file cannot be read.
      ValueError: the file is no checkpoint, or has other Python objects than tensors,
        numbers, texts and containers of them.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path} must end in one of {', '.join(SUFFIXES)}")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError, safe_open

        # NumPy has no bfloat16; PyTorch, where it is installed, reads it.
        try:
            with safe_open(path, framework=_framework()) as file:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, TypeError) as error:
            raise ValueError(
                f"{path} cannot be read by safetensors: {error}"
            ) from error
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{path} cannot be loaded with weights_only=True ({reason}): save "
            "net.state_dict() in place of whole modules"
        ) from error


def _framework() -> str:
    try:
        import torch  # noqa: F401
    except ImportError:
        return "numpy"
    return "pt"
