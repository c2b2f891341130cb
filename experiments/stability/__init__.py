"""The study of which step sizes train; may import report, runs, config, data, machine."""
