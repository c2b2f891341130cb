"""The pure step, the trainer, the placements; may import config, data, machine."""
