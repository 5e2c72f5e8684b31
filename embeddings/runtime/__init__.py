"""embeddings/runtime."""
