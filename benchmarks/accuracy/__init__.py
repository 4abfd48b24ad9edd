"""How right models are, on corpora that anybody can get: the command is in `__main__`."""
