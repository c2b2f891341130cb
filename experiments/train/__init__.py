"""The pure step, the trainer, where a step runs; may import config, data, machine."""
