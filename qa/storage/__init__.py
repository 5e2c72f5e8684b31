"""qa/storage."""
