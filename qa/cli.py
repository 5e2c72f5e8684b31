"""The ``qa`` command.

Exit codes: 0 answered or done, 3 the archive does not say, 2 nothing could be done, 130 interrupted.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from itertools import groupby
from pathlib import Path
from typing import Any, ParamSpec

import click
from pydantic import ValidationError

from embeddings import EmbeddingError
from qa import indexing
from qa.api import default_archive
from qa.archive import DATABASE, Archive
from qa.errors import FilterError, GlossaryError, InputError, QAError, ServerError
from qa.glossary import FILE as GLOSSARY
from qa.glossary import Glossary
from qa.occurrences import ORDERS, Order, ordered
from qa.server.user_commands import user
from qa.settings import Settings
from qa.types import Answer, Citation, Filters
from qa.understanding import asked_term
from qa.wording import words_for

P = ParamSpec("P")
ABSTAINED, FAILED, INTERRUPTED = 3, 2, 130
SHOWN_SENTENCES = 20
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


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
        click.echo(f"qa: {_plain(error.format_message())} (qa --help shows the commands)", err=True)
        code = FAILED
    except (QAError, EmbeddingError) as error:
        click.echo(f"qa: {_plain(' '.join([str(error), *_notes(error)]))}", err=True)
        code = FAILED
    except (KeyboardInterrupt, click.Abort) as error:
        click.echo(f"qa: {' '.join(['stopped.', *_notes(error)])}", err=True)
        code = INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; nobody is left to tell
        code = 0
    sys.exit(code)


def _archive_option(function: Callable[P, int]) -> Callable[P, int]:
    return click.option(
        "--archive", "folder", type=click.Path(path_type=Path), metavar="DIR",
        help="The archive's folder. Default: $QA_ARCHIVE, else one of the seed articles.",
    )(function)  # fmt: skip


def _filter_options(function: Callable[..., int]) -> Callable[..., int]:
    @click.option(
        "--after",
        metavar="DATE",
        help="Only articles published on this day or later: 2023, 2023-09, 2023-09-11.",
    )
    @click.option("--before", metavar="DATE", help="Only articles published on this day or earlier.")
    @click.option(
        "--source",
        "sources",
        multiple=True,
        metavar="NAME",
        help="Only articles of this source (repeatable).",
    )
    @wraps(function)
    def with_filters(
        *args: Any, after: str | None, before: str | None, sources: tuple[str, ...], **kwargs: Any
    ) -> int:
        try:
            filters = Filters(after=after, before=before, sources=sources)  # type: ignore[arg-type]
        except ValidationError as error:
            first = error.errors()[0]
            name = f"--{first['loc'][0]}: " if first["loc"] else ""
            detail = (
                "use a date like 2023, 2023-09 or 2023-09-11"
                if name
                else first["msg"].removeprefix("Value error, ")
            )
            raise FilterError(f"{name}{detail}.") from None
        return function(*args, filters=filters, **kwargs)

    return with_filters


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="archive-qa", prog_name="qa")
def cli() -> None:
    """Ask an archive of articles; get verbatim quotes with exact citations."""


@cli.command()
@click.argument("question")
@_archive_option
@_filter_options
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer as JSON.")
@click.option(
    "--evidence",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write an HTML file with the answer and the articles it cites, to be filed.",
)
def ask(question: str, folder: Path | None, filters: Filters, as_json: bool, evidence: Path | None) -> int:
    """Answer QUESTION by quotes, or say that the archive does not."""
    with _opened(folder) as archive:
        answer = archive.ask(question, filters=filters)
        if evidence:
            from qa.evidence import gather
            from qa.ui.evidence import evidence_html

            _write(evidence, evidence_html(gather(archive, answer)))
    for notice in answer.notices:
        click.echo(f"qa: {notice}", err=True)
    if term := asked_term(question):
        click.echo(f'qa: for every mention, not only the best: qa mentions "{_plain(term)}"', err=True)
    click.echo(_json(answer.model_dump(mode="json")) if as_json else render(answer))
    return ABSTAINED if answer.abstained else 0


@cli.command()
@click.argument("term")
@_archive_option
@_filter_options
@click.option("--exact", is_flag=True, help="Only as written: prosecutors is not prosecutor.")
@click.option("--sort", type=click.Choice(ORDERS), default="date", show_default=True, help="In which order.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV; cells like formulas get a leading '.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def mentions(
    term: str, folder: Path | None, filters: Filters, exact: bool, sort: Order, as_csv: bool, as_json: bool
) -> int:
    """List every mention of TERM: a word, a name or a phrase."""
    with _opened(folder) as archive:
        found = ordered(archive.mentions(term, filters, exact=exact), sort)
    from qa.tabular import csv_lines, json_text

    if as_csv:
        click.echo("".join(csv_lines(found)), nl=False)
    elif as_json:
        click.echo(json_text(found))
    else:
        for article_id, group in groupby(found.occurrences, key=lambda o: o.article_id):
            places = list(group)
            facts = [places[0].title or article_id, places[0].source, str(places[0].published or "undated")]
            click.echo(click.style(_plain(" · ".join(fact for fact in facts if fact)), bold=True))
            for place in places:
                where = "title" if place.field == "title" else f"{place.start}–{place.end}"
                click.echo("\n".join(_wrapped(f"  {_plain(place.sentence)} ({where})", 100, indent="    ")))
        counts = [(len(found), "mention"), (found.articles, "article")]
        said = " in ".join(f"{count:,} {thing}{'' if count == 1 else 's'}" for count, thing in counts)
        click.echo(f"{said}; {found.coverage.articles:,} looked through.")
    return 0 if found.occurrences else ABSTAINED


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option(
    "--archive",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The archive's folder; made if it does not exist.",
)
@click.option("--model", metavar="NAME", help="Embedding model of a new archive: a folder or a Hub name.")
@click.option(
    "--map",
    "mappings",
    multiple=True,
    metavar="FIELD=COLUMN,...",
    help="Where tables and JSON have an article's fields: text=body,date=published_at.",
)
@click.option(
    "--format",
    metavar="EXTENSION",
    help="What standard input is, and files without a known extension: csv, html.  "
    "[default: told by their beginning]",
)
@click.option(
    "--prune", is_flag=True, help="Remove the articles that these files and folders do not hold any more."
)
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print events as lines of JSON; the last one is the report."
)
def index(
    paths: tuple[Path, ...],
    folder: Path,
    model: str | None,
    mappings: tuple[str, ...],
    format: str | None,
    prune: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Add articles to an archive; what it holds already is updated or left alone.

    PATH is a file, a folder (with all below it), a pattern in quotes ('pages/**/*.html') or - for standard input.
    """
    columns = _columns(mappings)
    settings = Settings.from_environ()
    new = not (folder / DATABASE).exists()
    if model and not new:
        settings = settings.model_copy(update={"model": model})
    archive = (
        Archive.create(folder, model, settings=settings) if new else Archive.open(folder, settings=settings)
    )
    with archive:
        archive.encoder  # noqa: B018 - loaded, and what that has to say is said, before the bar stands there
        with indexing.shown(quiet=quiet, as_json=as_json) as show:
            report = archive.add(paths, map=columns, format=format, progress=show, prune=prune)
        size = len(archive)
    if as_json:
        indexing.event("report", **report.model_dump(mode="json"), articles=size)
        return 0
    indexing.show_lists(report, folder, _plain)
    plural = "" if size == 1 else "s"
    click.echo(f"{indexing.summary(report)}. {folder} holds {size:,} article{plural}.")
    return 0


def _columns(mappings: Sequence[str]) -> dict[str, str]:
    """Read ``text=body,date=published_at``."""
    columns = {}
    for part in ",".join(mappings).split(",") if mappings else ():
        field, _, column = part.partition("=")
        if not (field.strip() and column.strip()):
            raise click.UsageError(f"--map: write FIELD=COLUMN, not {part!r}")
        columns[field.strip()] = column.strip()
    return columns


@cli.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@_archive_option
def remove(ids: tuple[str, ...], folder: Path | None) -> int:
    """Remove articles by id."""
    with _opened(folder) as archive:
        for missing in [one for one in ids if one not in archive]:
            click.echo(f"qa: no article {_plain(missing)!r}", err=True)
        removed = archive.remove(ids)
    click.echo(f"{removed:,} removed.")
    return 0 if removed else FAILED


@cli.command()
@_archive_option
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
def info(folder: Path | None, as_json: bool) -> int:
    """Show what an archive holds."""
    with _opened(folder) as archive:
        facts = archive.describe()
    if as_json:
        click.echo(_json(facts))
    else:
        width = max(map(len, facts))
        for name, value in facts.items():
            click.echo(
                f"{name:<{width}}  {value:,}"
                if isinstance(value, int)
                else f"{name:<{width}}  {_plain(value)}"
            )
    return 0


@cli.command()
@_archive_option
@click.option("--repair", is_flag=True, help="Mend what can be mended.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def check(folder: Path | None, repair: bool, as_json: bool) -> int:
    """Check an archive: the database, every passage, every count, every file."""
    with _opened(folder) as archive:
        report = archive.check(repair=repair)
    if as_json:
        click.echo(_json(report.model_dump(mode="json")))
        return 0 if report.ok else FAILED
    for title, sentences in (
        ("repaired", report.repaired),
        ("damage", report.problems),
        ("note", report.notes),
    ):
        for sentence in sentences[:SHOWN_SENTENCES]:
            click.echo(f"{title}: {_plain(sentence)}")
        if (more := len(sentences) - SHOWN_SENTENCES) > 0:
            click.echo(f"{title}: and {more:,} more; --json lists them all")
    hint = "" if report.ok or repair else " Run qa check --repair to mend what can be."
    state = "All is sound." if report.ok else f"Damage remains.{hint}"
    click.echo(f"{report.articles:,} articles, {report.passages:,} passages. {state}")
    return 0 if report.ok else FAILED


@cli.command()
@_archive_option
@click.option("--vacuum", is_flag=True, help="Write the database anew too, to give back unused room.")
def compact(folder: Path | None, vacuum: bool) -> int:
    """Write an archive's indexes anew, each in one piece; forget revisions that were replaced."""
    with _opened(folder) as archive:
        before = archive.describe()["bytes"]
        archive.compact(vacuum=vacuum)
        after = archive.describe()["bytes"]
    click.echo(f"{before:,} bytes before, {after:,} now.")
    return 0


@cli.command()
@_archive_option
@click.option(
    "--questions", default=200, show_default=True, type=click.IntRange(min=1), help="How many to ask."
)
@click.option("--seed", default=0, show_default=True, help="Decides which questions are made.")
@click.option("--reset", is_flag=True, help="Go back to the package's own calibration.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def calibrate(folder: Path | None, questions: int, seed: int, reset: bool, as_json: bool) -> int:
    """Fit when to answer and when to refuse to an archive, on questions made of its own articles."""
    with _opened(folder) as archive:
        if reset:
            archive.uncalibrate()
            click.echo("The package's own calibration is in use.")
            return 0
        with click.progressbar(length=questions, label="Asking", file=sys.stderr) as bar:

            def show(done: int, total: int) -> None:
                bar.length = total
                bar.update(1)

            found = archive.calibrate(questions, seed=seed, progress=show)
    if as_json:
        click.echo(_json(found.model_dump()))
        return 0
    click.echo(
        f"{found.questions:,} questions made of the archive's articles, each asked with its article and without:"
    )
    click.echo(f"{'':<34}{'before':>8}{'after':>8}")
    for label, name in (
        ("refused although it is there", "needless"),
        ("refused when it is held out", "refused"),
        ("calibration error", "error"),
    ):
        click.echo(f"{label:<34}{getattr(found.before, name):>8.1%}{getattr(found.after, name):>8.1%}")
    click.echo(f"Answers below a confidence of {found.refuse:.2f} are now refused; --reset undoes this.")
    return 0


@cli.command()
@_archive_option
@click.option("--host", help="Address to serve on.  [default: 127.0.0.1]")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to serve on; 0 takes a free one.  [default: 7860]"
)
@click.option("--open", "open_browser", is_flag=True, help="Open the page in a browser.")
def serve(folder: Path | None, host: str | None, port: int | None, open_browser: bool) -> int:
    """Serve the web page."""
    import app

    settings = Settings.from_environ()
    given = {"host": host, "port": port}
    settings = settings.model_copy(update={k: v for k, v in given.items() if v is not None})
    with _opened(folder) as archive:
        app.serve(archive, settings, open_browser=open_browser)
    return 0


@cli.command()
@click.argument("out", type=click.Path(path_type=Path), metavar="FOLDER")
@_archive_option
def feedback(out: Path, folder: Path | None) -> int:
    """Write what people said of answers into FOLDER, for python -m evals --data FOLDER."""
    from qa.feedback import export

    with _opened(folder) as archive:
        count = export(archive, out)
    click.echo(f"{count:,} question{'' if count == 1 else 's'} with the archive's articles in {out}.")
    return 0


@cli.command()
@_archive_option
@click.option("--add", "line", metavar="LINE", help="Add a line: procuratorate = prosecutor's office.")
@click.option("--edit", is_flag=True, help="Open the file in an editor.")
def glossary(folder: Path | None, line: str | None, edit: bool) -> int:
    """Show the words that mean the same in an archive: first as its articles put it, then as people ask."""
    with _opened(folder) as archive:
        path = archive.path / GLOSSARY
        try:
            if line is not None:
                held = path.read_text("utf-8-sig") if path.exists() else ""
                _checked(Glossary.parse(text := f"{held.rstrip()}\n{' '.join(line.split())}\n".lstrip()))
                _write(path, text)
            if edit:
                path.touch()
                click.edit(filename=str(path))
        except OSError as error:
            raise GlossaryError(f"{path} cannot be used ({error.strerror}).") from None
        found = Glossary.read(archive.path)
    if not found.groups:
        click.echo(f"There is no glossary yet. It is {path}; --add LINE or --edit begins it.")
    for text in found.lines():
        click.echo(_plain(text))
    _checked(found)
    return 0


def _checked(glossary: Glossary) -> None:
    if glossary.problems:
        raise GlossaryError(" ".join(glossary.problems))


@cli.command()
@_archive_option
@click.option("--http", is_flag=True, help="Serve over HTTP, at /mcp, with QA_AUTH and the page's limits.")
@click.option("--host", help="Address to serve on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to serve on.  [default: 7860]")
def mcp(folder: Path | None, http: bool, host: str | None, port: int | None) -> int:
    """Offer an archive to AI assistants, as tools of the Model Context Protocol, over standard input and output."""
    try:
        from qa import mcp_server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"mcp", "mcp_types"}:
            raise
        raise ServerError("qa mcp needs the package mcp: pip install 'archive-qa[mcp]'") from None
    given = {"host": host, "port": port}
    settings = Settings.from_environ().model_copy(update={k: v for k, v in given.items() if v is not None})
    with _opened(folder) as archive:
        if http:
            mcp_server.run_http(archive, settings)
        else:
            mcp_server.run_stdio(archive)
    return 0


cli.add_command(user)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}). Name another file.") from None


def _opened(folder: Path | None) -> AbstractContextManager[Archive]:
    """Open the archive named; the default one is shared, hence not closed."""
    return nullcontext(default_archive()) if folder is None else Archive.open(folder)


def render(answer: Answer, width: int | None = None) -> str:
    """Lay an answer out for a terminal; styles are left to :func:`click.echo`, which drops them in a pipe."""
    width = width or min(shutil.get_terminal_size((88, 24)).columns, 100)
    lines = []
    words = words_for(answer.question)
    if answer.abstained:
        lines += _wrapped(_plain(answer.text), width)
        if answer.closest:
            lines += ["", click.style(f"{words.closest}:", bold=True)]
            lines += [*_quote(answer.closest, width), *_sources([answer.closest], width)]
        return "\n".join(lines)
    if answer.citations[0].kind == "metadata":
        lines += [*_wrapped(_plain(answer.text), width), ""]
    else:
        if answer.lead:
            lines += [*_wrapped(_plain(answer.lead), width), ""]
        for citation in answer.citations:
            lines += [*_quote(citation, width), ""]
        for question in answer.unanswered:
            lines += [*_wrapped(words.silent_on.format(question=_plain(question)), width), ""]
    lines += [click.style("Sources", bold=True), *_sources(answer.citations, width)]
    return "\n".join(lines)


def _quote(citation: Citation, width: int) -> list[str]:
    text = f"“{_plain(citation.quote)}” [{citation.n}]"
    short = _plain(citation.answer or "")
    lines = _wrapped(text, width)
    if short and citation.answer_start is not None:
        before = len(" ".join(_plain(citation.quote[: citation.answer_start - citation.start]).split()))
        lines = _marked(lines, before + 1, short)
    return lines


def _marked(lines: list[str], near: int, short: str) -> list[str]:
    """Make the short answer bold, on the occurrence nearest to where it stands; one may run over a line end."""
    text = "\n".join(lines)
    pattern = r"\s+".join(map(re.escape, short.split()))
    found = min(re.finditer(pattern, text), key=lambda m: abs(m.start() - near), default=None)
    if found is None:
        return lines
    parts = [click.style(part, bold=True, underline=True) for part in found[0].split("\n")]
    return (text[: found.start()] + "\n".join(parts) + text[found.end() :]).split("\n")


def _sources(citations: Sequence[Citation], width: int) -> list[str]:
    """List each article once, with the numbers of its quotes and where they stand."""
    lines = []
    for _, group in groupby(citations, key=lambda c: c.article_id):
        quotes = list(group)
        first = quotes[0]
        numbers = "".join(f"[{c.n}]" for c in quotes)
        facts = [first.title or first.article_id, first.source, str(first.published or "undated")]
        lines += _wrapped(_plain(f"{numbers} {' · '.join(f for f in facts if f)}"), width, indent="    ")
        places = ", ".join(f"{c.start}–{c.end}" for c in quotes)
        lines.append(f"    {_plain(first.url or first.article_id)} ({places})")
        if first.also:
            lines += _wrapped(_plain(_also(first)), width, indent="    ")
    return lines


def _also(citation: Citation) -> str:
    """Say where else a story stands."""
    n, first = len(citation.also), citation.first_told
    began = ""
    if first:
        began = f", first published {first.published}" + (f" by {first.source}" if first.source else "")
    return f"    also in {n:,} other{'s' if n > 1 else ''}{began}"


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return [
        line
        for paragraph in text.split("\n")
        if paragraph.strip()
        for line in textwrap.wrap(paragraph, width, subsequent_indent=indent, break_on_hyphens=False)
    ]


def _notes(error: BaseException) -> list[str]:
    """Return what an interrupted run says of what is kept."""
    return getattr(
        error.__cause__ or error, "__notes__", []
    )  # click turns Ctrl-C into an exception of its own


def _plain(text: str) -> str:
    """Keep an article from steering the terminal: control and direction characters are dropped."""
    return _CONTROL.sub("", text)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


if __name__ == "__main__":
    main()
