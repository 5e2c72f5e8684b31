"""Questions with gold answers, the metrics over them, and the gate: ``python -m evals``."""
