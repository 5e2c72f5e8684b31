"""qa/loaders."""
