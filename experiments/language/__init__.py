"""Language models; may import study, report, runs, config, data, machine."""
