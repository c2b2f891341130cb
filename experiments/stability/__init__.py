"""Which learning rates train; may import study, report, runs, config, data, machine."""
