"""evals/report."""
