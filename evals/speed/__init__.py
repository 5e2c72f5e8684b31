"""The speed benchmark: this program and what else a user would take, on the same passages: ``python -m evals.speed``.

Read in this order: ``corpus`` (what is searched), ``peers`` (the systems, ours among them), ``worker`` (a process for
each), ``run`` (whose turn it is), ``asking`` and ``searching`` (what is measured), ``report`` (the table).
Importing it is cheap: each system's process imports only what that system needs.
"""
