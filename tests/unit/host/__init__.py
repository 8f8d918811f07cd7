"""What is put on a machine."""
