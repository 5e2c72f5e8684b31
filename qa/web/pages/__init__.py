"""qa/web/pages."""
