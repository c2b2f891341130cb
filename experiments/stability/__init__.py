"""Which learning rates train; may import report, runs, config, data, machine."""
