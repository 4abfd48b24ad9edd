"""The map: the archive as points in two dimensions."""
