"""Formulations of the layers' arithmetic that XLA:CPU runs fast.

Other platforms get XLA's own operations, except in pooling. `models.layers` alone
imports from here.
"""
