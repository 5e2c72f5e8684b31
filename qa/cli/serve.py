"""``qa serve`` and ``qa mcp``: an archive for browsers, and for assistants."""

from __future__ import annotations

from pathlib import Path

import click

from qa.cli.options import archive_option, opened, served_at
from qa.errors import ServerError


@click.command()
@archive_option
@click.option("--host", help="Address to serve on.  [default: 127.0.0.1]")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to serve on; 0 takes a free one.  [default: 7860]"
)
@click.option("--open", "open_browser", is_flag=True, help="Open the page in a browser.")
def serve(folder: Path | None, host: str | None, port: int | None, open_browser: bool) -> int:
    """Serve the web page."""
    from qa.web import app

    settings = served_at(host, port)
    with opened(folder) as archive:
        app.serve(archive, settings, open_browser=open_browser)
    return 0


@click.command()
@archive_option
@click.option("--http", is_flag=True, help="Serve over HTTP, at /mcp, with QA_AUTH and the page's limits.")
@click.option("--host", help="Address to serve on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to serve on.  [default: 7860]")
def mcp(folder: Path | None, http: bool, host: str | None, port: int | None) -> int:
    """Offer an archive to AI assistants, as tools of the Model Context Protocol, over standard input and output."""
    try:
        from qa import mcp_server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mcp":
            raise
        raise ServerError("qa mcp needs the package mcp: pip install 'archive-qa[mcp]'") from None
    settings = served_at(host, port)
    with opened(folder) as archive:
        if http:
            mcp_server.run_http(archive, settings)
        else:
            mcp_server.run_stdio(archive)
    return 0
