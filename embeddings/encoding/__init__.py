"""embeddings/encoding."""
