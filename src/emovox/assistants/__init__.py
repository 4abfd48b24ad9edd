"""Assistants: what Emovox knows, as tools of the Model Context Protocol. Its packages are an extra."""
