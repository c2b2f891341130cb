"""Experiments: python -m experiments."""
