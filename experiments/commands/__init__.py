"""One module for each command, with its options; may import every other layer."""
