"""Runs, sweeps, their directories and rows; may import train, config, data, machine."""
