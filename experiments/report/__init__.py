"""Tables, curves and pages of finished runs; may import runs, config and machine."""
