"""Metropolis chains on spins, studied; may import report, runs, config, machine."""
