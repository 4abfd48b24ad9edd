"""What a baseline is worth: the command is in `__main__`."""
