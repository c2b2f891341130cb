"""What remedies do to bad and to rare batches; may import study, report, runs, config,
data, machine, and the networks and images of stability."""
