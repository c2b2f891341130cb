"""The study of Metropolis chains on spin systems; may import report, runs, config, machine."""
