"""qa/text."""
