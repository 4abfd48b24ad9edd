"""Upgrading an archive: what another revision of a model recognised is inferred again, from stored sound."""
