"""What is made of finished runs; may import runs, config and machine."""
