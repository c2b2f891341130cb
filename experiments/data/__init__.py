"""Data sets, their records and their preprocessing; may import machine."""
