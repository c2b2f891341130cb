"""The same networks in PyTorch (`networks`), its files, and weights from and to it.

`weights` needs no PyTorch; `files` needs it for .pt and .pth only.
"""
