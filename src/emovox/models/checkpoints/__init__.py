"""Torch checkpoints, read without torch: tensors only, nothing is ever run."""
