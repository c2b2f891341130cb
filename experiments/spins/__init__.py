"""The study of spin systems; may import study, report, runs, config, machine."""
