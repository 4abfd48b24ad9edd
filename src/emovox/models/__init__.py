"""Models: what exists, what a model file says of itself, and the engine that runs it."""
