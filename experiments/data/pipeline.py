"""The preprocessing of images for a network: statistics, crops, flips."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """Per-channel mean and standard deviation, and the steps for training images."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    steps: tuple[str, ...] = ()  # of "crop" and "flip", in this order

    def without_augmentation(self) -> "Pipeline":
        return dataclasses.replace(self, steps=())


CIFAR = Pipeline(
    (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010), ("crop", "flip")
)  # appendix B
# As in the original VGG script: ImageNet's statistics, and flips before crops.
CIFAR_VGG = Pipeline((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), ("flip", "crop"))
# Digits are centered and not symmetric: neither crop nor flip.
DIGITS = Pipeline((0.3053,) * 3, (0.3758,) * 3)
