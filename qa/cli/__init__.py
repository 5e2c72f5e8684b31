"""The ``qa`` command: one module for each group of commands.

Read :mod:`~qa.cli.command` first (the group of all commands, exit codes, what is printed when a command fails), then
:mod:`~qa.cli.ask`, :mod:`~qa.cli.index`, :mod:`~qa.cli.maintain`, :mod:`~qa.cli.serve` and :mod:`~qa.cli.users`. They
share :mod:`~qa.cli.options` (which archive, which articles, where to serve), :mod:`~qa.cli.terminal` (an answer as
text) and :mod:`~qa.cli.progress` (how far a run of ``qa index`` is). A command returns its exit code.
"""

from qa.cli.command import cli, main

__all__ = ["cli", "main"]
