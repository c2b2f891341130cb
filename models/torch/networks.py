"""The networks in idiomatic PyTorch, for comparison in the tests and the benchmarks.

`models.convert` knows their names.
"""

import math
import re

from torch import nn

VGG_STAGES = {
    16: ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)),
    19: ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)),
}


class SimpleCNN(nn.Module):
    def __init__(self, num_classes: int):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x):
        pool = nn.functional.max_pool2d
        x = pool(self.conv1(x).relu(), 2)
        x = pool(self.conv2(x).relu(), 2)
        x = self.fc1(x.flatten(1)).relu()
        return self.fc3(self.fc2(x).relu())


class NN2(nn.Module):
    def __init__(self, num_classes: int):
        super().__init__()
        parts: list[nn.Module] = []
        channels = 3
        for first, second in ((32, 64), (128, 128), (256, 256)):
            parts += [nn.Conv2d(channels, first, 3, padding=1), nn.ReLU()]
            parts += [nn.Conv2d(first, second, 3, padding=1), nn.ReLU()]
            parts += [nn.MaxPool2d(2), nn.BatchNorm2d(second)]
            channels = second
        parts += [nn.Flatten(), nn.Linear(256 * 4 * 4, 1024), nn.ReLU()]
        parts += [nn.Linear(1024, 512), nn.ReLU(), nn.Linear(512, num_classes)]
        self.network = nn.Sequential(*parts)

    def forward(self, x):
        return self.network(x)


class VGG(nn.Module):
    def __init__(self, depth: int, batch_norm: bool, num_classes: int):
        super().__init__()
        parts: list[nn.Module] = []
        channels = 3
        for features, repeats in VGG_STAGES[depth]:
            for _ in range(repeats):
                parts.append(nn.Conv2d(channels, features, 3, padding=1))
                if batch_norm:
                    parts.append(nn.BatchNorm2d(features))
                parts.append(nn.ReLU())
                channels = features
            parts.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*parts)
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Linear(512, 512),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(512, 512),
            nn.ReLU(),
            nn.Linear(512, num_classes),
        )
        _initialize(self)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class Bottleneck(nn.Module):
    def __init__(self, channels: int, width: int, stride: int):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.downsample = None
        if stride != 1 or channels != 4 * width:
            projection = nn.Conv2d(channels, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection)

    def forward(self, x):
        y = self.conv1(self.bn1(x).relu())
        y = self.conv2(self.bn2(y).relu())
        y = self.conv3(self.bn3(y).relu())
        return y + (x if self.downsample is None else self.downsample(x))


class PreResNet(nn.Module):
    def __init__(self, depth: int, num_classes: int):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        channels = 16
        for stage, width in enumerate((16, 32, 64)):
            blocks = []
            for block in range((depth - 2) // 9):
                stride = 2 if stage and not block else 1
                blocks.append(Bottleneck(channels, width, stride))
                channels = 4 * width
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.bn = nn.BatchNorm2d(channels)
        self.fc = nn.Linear(channels, num_classes)
        _initialize(self)

    def forward(self, x):
        x = self.conv1(x)
        for stage in ("layer1", "layer2", "layer3"):
            x = self.get_submodule(stage)(x)
        return self.fc(self.bn(x).relu().mean((2, 3)))


def _initialize(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            height, width = module.kernel_size
            std = math.sqrt(2 / (height * width * module.out_channels))
            nn.init.normal_(module.weight, 0, std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def create(name: str, num_classes: int = 10) -> nn.Module:
    if name == "simple_cnn":
        return SimpleCNN(num_classes)
    if name == "nn2":
        return NN2(num_classes)
    if match := re.fullmatch(r"vgg(16|19)(_bn)?", name):
        return VGG(int(match[1]), bool(match[2]), num_classes)
    if match := re.fullmatch(r"preresnet(\d+)", name):
        return PreResNet(int(match[1]), num_classes)
    raise ValueError(name)


def numpy_state(net: nn.Module) -> dict:
    """The state dict as copies in NumPy."""
    return {key: value.numpy().copy() for key, value in net.state_dict().items()}
