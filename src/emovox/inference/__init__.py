"""Inference: running a model over a recording, for one result."""
