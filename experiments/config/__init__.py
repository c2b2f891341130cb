"""What one run is, and the records that it names; may import data and machine."""
