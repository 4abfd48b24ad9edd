"""Isolation: decoding in processes that may die, so that a file which breaks FFmpeg breaks nothing else."""
