"""evals/training."""
