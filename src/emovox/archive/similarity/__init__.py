"""Similarity: the nearest of the archive's embeddings, exactly or by pgvector."""
