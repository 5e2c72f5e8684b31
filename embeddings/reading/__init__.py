"""embeddings/reading."""
