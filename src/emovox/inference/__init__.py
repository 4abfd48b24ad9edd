"""Inference: what a model hears in a recording, as one result."""
