"""What every benchmark of a training step trains: LM-SGD, images as CIFAR-10 has."""

from typing import Any

from experiments.config import RunConfig

LEARNING_RATE, MOMENTUM = 0.01, 0.9
CLASSES = 10


def lm_sgd(model: str, **changes: Any) -> RunConfig:
    """The run of a network, with other fields where they are given."""
    values: dict[str, Any] = {"epochs": 1, **changes}
    return RunConfig(
        dataset="cifar10",
        model=model,
        optimizer="sgd",
        arm="lm",
        seed=0,
        learning_rate=LEARNING_RATE,
        momentum=MOMENTUM,
        **values,
    )
