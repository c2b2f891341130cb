"""Which learning rates train, studied; may import report, runs, config, data, machine."""
