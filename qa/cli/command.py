"""The group of all commands, and how each of them ends.

Exit codes: 0 answered or done, 3 the archive does not say, 2 nothing could be done, 130 interrupted.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

import click

from embeddings import EmbeddingError
from qa.cli.ask import ask, feedback, mentions
from qa.cli.index import index, remove
from qa.cli.maintain import calibrate, check, compact, glossary, info
from qa.cli.options import FAILED, INTERRUPTED
from qa.cli.serve import mcp, serve
from qa.cli.users import user
from qa.errors import QAError
from qa.text.characters import harmless

COMMANDS = (
    ask, mentions, feedback, index, remove, info, check, compact, calibrate, glossary, serve, mcp, user
)  # fmt: skip


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="archive-qa", prog_name="qa")
def cli() -> None:
    """Ask an archive of articles; get verbatim quotes with exact citations."""


for _command in COMMANDS:
    cli.add_command(_command)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    logging.basicConfig(format="qa: %(message)s", level=logging.WARNING, stream=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = cli.main(args=args, prog_name="qa", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = FAILED
    except click.ClickException as error:
        click.echo(f"qa: {harmless(error.format_message())} (qa --help shows the commands)", err=True)
        code = FAILED
    except (QAError, EmbeddingError) as error:
        click.echo(f"qa: {harmless(' '.join([str(error), *_notes(error)]))}", err=True)
        code = FAILED
    except (KeyboardInterrupt, click.Abort) as error:
        click.echo(f"qa: {' '.join(['stopped.', *_notes(error)])}", err=True)
        code = INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read the output is gone, and Python would print a second error at exit
        code = 0
    sys.exit(code)


def _notes(error: BaseException) -> list[str]:
    """Return what an interrupted run says it has kept; click wraps Ctrl-C in an exception of its own."""
    return getattr(error.__cause__ or error, "__notes__", [])
