"""The study of the annealing methods; may import report, runs, config, machine."""
