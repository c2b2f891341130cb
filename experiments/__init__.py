"""The experiments, in wings. Imports go from a wing to those below it, never up.

commands     a module a command: its options and what it calls; all other wings
annealing    the study of the annealing methods; report, runs
spins        the study of Metropolis chains on spin systems; report, runs
stability    the study of which learning rates train; report, runs, data
report       tables, curves and pages, from run directories and rows alone; runs
runs         a run, a sweep, and what they leave: directories, rows; train
train        the pure step, the trainer, placements; config, data
config       what a run is: configuration, arms, optimizers, networks, tables; data
data         data sets, their records, their pipelines; machine
machine      the process and what it runs on: set-up, hosts, files, stopping
"""
