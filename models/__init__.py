"""Flax Linen networks: NN2, VGG, PreResNet, SimpleCNN."""
