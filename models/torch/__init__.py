"""The same networks in PyTorch (`networks`), and weights from and to it (`weights`).

PyTorch is needed for `networks` alone.
"""
