"""The study of the annealing methods; may import report, config and machine."""
