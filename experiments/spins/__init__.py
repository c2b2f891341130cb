"""The study of spin systems; may import report, runs, config, machine."""
