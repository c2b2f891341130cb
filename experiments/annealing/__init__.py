"""How annealing methods compare; may import study, report, runs, config, machine."""
