"""Which step sizes train, studied; may import report, runs, config, data, machine."""
