"""The speed benchmark: this program and what else a user would take, on the same passages in the same run.

Importing it is cheap: each system's process imports only what that system needs.
"""
