"""The ``qa`` command."""

from qa.cli.command import cli, main

__all__ = ["cli", "main"]
