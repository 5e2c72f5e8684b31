"""qa/ingest."""
