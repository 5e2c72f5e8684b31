"""The addresses beside the page: every mention of a term, as a page and as files; an answer's evidence pack."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from embeddings import EmbeddingError
from qa.archive import Archive
from qa.errors import Busy, QAError
from qa.export import gather
from qa.tabular import csv_lines, json_text
from qa.types import Occurrences
from qa.web.middleware.asgi import client
from qa.web.middleware.rate_limit import RateLimiter
from qa.web.middleware.security_headers import FORM_POLICY
from qa.web.pages.evidence import evidence_html
from qa.web.pages.occurrences import View, mentions_page
from qa.web.pages.turn import Asking, reply_to
from qa.web.texts import texts_for

Endpoint = Callable[[Request], Response]


def routes(archive: Archive, gate: RateLimiter) -> list[Route]:
    """Return the routes: ``/evidence``, ``/mentions``, ``/mentions.csv``, ``/mentions.json``.

    Each reads a question and filters, never a path, and asks for a place at the gate.
    """

    def found(request: Request, view: View) -> Occurrences:
        with gate.admitted(client(request.scope)):
            return archive.mentions(view.asked.question, view.asked.filters, exact=view.exact)

    def page(request: Request) -> Response:
        view, texts = View.restore(request.query_params), texts_for(request.headers.get("accept-language"))
        headers = {
            "Content-Security-Policy": FORM_POLICY,
            "Cache-Control": "no-cache",
            "Vary": "Accept-Language",
        }
        if not view.asked.question:
            return HTMLResponse(mentions_page(None, view, texts), headers=headers)
        try:
            return HTMLResponse(mentions_page(found(request, view), view, texts), headers=headers)
        except (QAError, EmbeddingError) as error:
            status, more = _refused(error)
            page = mentions_page(None, view, texts, str(error))
            return HTMLResponse(page, status, headers={**headers, **more})

    def table(request: Request) -> Response:
        lines = csv_lines(found(request, View.restore(request.query_params)))
        text = "\ufeff" + "".join(lines)  # a byte order mark, or spreadsheets guess the encoding
        return Response(text, media_type="text/csv; charset=utf-8", headers=_saved_as("mentions.csv"))

    def data(request: Request) -> Response:
        text = json_text(found(request, View.restore(request.query_params)))
        return Response(text, media_type="application/json", headers=_saved_as("mentions.json"))

    def evidence(request: Request, asking: Asking) -> Response:
        with gate.admitted(client(request.scope)):
            pack = evidence_html(
                gather(archive, reply_to(archive, asking).answer),
                texts=texts_for(request.headers.get("accept-language")),
            )
        return Response(pack, media_type="text/html; charset=utf-8", headers=_saved_as("evidence.html"))

    def evidence_at(request: Request) -> Response:
        params = request.query_params
        asking = Asking(
            question=params.get("q", ""),
            after=params.get("after", ""),
            before=params.get("before", ""),
            sources=tuple(params.getlist("source")[:100]),
            plain="plain" in params,
        )
        return evidence(request, asking)

    async def evidence_for(request: Request) -> Response:
        try:
            asking = Asking.model_validate_json(await request.body())
        except ValidationError:
            return PlainTextResponse("Send the question as the page does.\n", 422)
        return await run_in_threadpool(_plainly(lambda request: evidence(request, asking)), request)

    return [
        Route("/evidence", _plainly(evidence_at)),
        Route("/evidence", evidence_for, methods=["POST"]),
        Route("/mentions", page),
        Route("/mentions.csv", _plainly(table)),
        Route("/mentions.json", _plainly(data)),
    ]


def _plainly(endpoint: Endpoint) -> Endpoint:
    """Answer what goes wrong with one line and the status that fits."""

    def answered(request: Request) -> Response:
        try:
            return endpoint(request)
        except (QAError, EmbeddingError) as error:
            status, headers = _refused(error)
            return PlainTextResponse(f"{error}\n", status, headers=headers)

    return answered


def _refused(error: Exception) -> tuple[int, dict[str, str]]:
    if isinstance(error, Busy):
        return 429, {"Retry-After": str(error.retry_after)}
    return 400, {}


def _saved_as(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
