"""qa/answering."""
