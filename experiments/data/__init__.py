"""Data sets, their records, and what images go through; may import machine."""
