"""Labelling: a backend of Label Studio, which pre-labels recordings there and learns from what people label."""
