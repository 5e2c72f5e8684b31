"""``qa user``: the names and passwords of those who may use the page."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from qa.errors import ServerError
from qa.settings import Settings
from qa.web.middleware.auth import Users


def _file_option(function: Callable[..., int]) -> Callable[..., Any]:
    return click.option(
        "--file", type=click.Path(path_type=Path), metavar="FILE", help="The users' file.  [default: QA_AUTH]"
    )(function)


@click.group()
def user() -> None:
    """Say who may use the page: names and hashed passwords in a file that QA_AUTH names."""


@user.command()
@click.argument("name")
@_file_option
def add(name: str, file: Path | None) -> int:
    """Add NAME, or give NAME a new password; it is asked for, or read from standard input."""
    path = _path(file)
    users = Users.read(path) if path.exists() else Users({})
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    changed = users.with_password(name, password)
    changed.write(path)
    count = len(changed)
    click.echo(f"{path} lets in {count:,} user{'' if count == 1 else 's'}. Serve it with QA_AUTH={path}")
    return 0


@user.command()
@click.argument("name")
@_file_option
def remove(name: str, file: Path | None) -> int:
    """Let NAME in no more."""
    path = _path(file)
    Users.read(path).without(name).write(path)
    click.echo(f"{path} no longer lets in {name}.")
    return 0


@user.command("list")
@_file_option
def list_users(file: Path | None) -> int:
    """Show the names."""
    for name in Users.read(_path(file)).names:
        click.echo(name)
    return 0


def _path(file: Path | None) -> Path:
    path = file or Settings.from_environ().auth
    if path is None:
        raise ServerError("Which file? Name it with --file FILE, or set QA_AUTH.")
    return path
