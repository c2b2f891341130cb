"""Flax Linen networks by name: NN2, VGG, PreResNet, SimpleCNN."""

from models.layers import compiler_options
from models.nn2 import NN2
from models.preresnet import PreResNet
from models.registry import NAMES, create
from models.simple_cnn import SimpleCNN
from models.torch.weights import convert, to_torch
from models.vgg import VGG

__all__ = [
    "NAMES",
    "NN2",
    "VGG",
    "PreResNet",
    "SimpleCNN",
    "compiler_options",
    "convert",
    "create",
    "to_torch",
]
