"""What all studies share; may import report, runs, config, machine."""
