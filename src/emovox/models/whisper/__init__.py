"""Whisper's encoder with a head: reads the classifiers that transformers writes and builds their network."""
