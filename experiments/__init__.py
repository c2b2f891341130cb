"""The experiments, in layers. A layer imports only from layers below it.

After the semicolon: the layers that it may import.

commands     one module per command: its options and what it calls; all other layers
annealing    the study of the annealing methods; study, report, runs
spins        the study of Metropolis chains on spin systems; study, report, runs
stability    the study of which learning rates train; study, report, runs, data
study        what all studies share: parts, rows, documents; report, runs
report       tables, curves and pages, from run directories and rows alone; runs
runs         a run, a sweep, and what they write: directories, rows; train
train        the pure step, the trainer, placements; config, data
config       what a run is: configuration, arms, optimizers, networks, tables; data
data         data sets, their records, their pipelines; machine
machine      the process and what it runs on: set-up, hosts, files, stopping
"""
