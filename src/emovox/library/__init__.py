"""The library: what embeddings and results are for once there are many of them."""
