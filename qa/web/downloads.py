"""The addresses beside the page: every mention of a term, as a page and as files; an answer's evidence pack."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from qa.archive import Archive
from qa.export import csv_lines, gather, json_text
from qa.types import Occurrences
from qa.web.middleware.asgi import client
from qa.web.middleware.rate_limit import RateLimiter
from qa.web.middleware.security_headers import FORM_POLICY
from qa.web.pages.evidence import evidence_html
from qa.web.pages.occurrences import MentionsView, mentions_page
from qa.web.pages.turn import Asking, answer_to
from qa.web.statuses import PROBLEMS, headers_of, message_of, status_of, words_of

Endpoint = Callable[[Request], Response]


def routes(archive: Archive, limiter: RateLimiter) -> list[Route]:
    """Return the routes: ``/evidence``, ``/mentions``, ``/mentions.csv``, ``/mentions.json``.

    Each reads a question and filters, never a path, and asks the limiter for a place.
    """

    def found(request: Request, view: MentionsView) -> Occurrences:
        with limiter.admitted(client(request.scope)):
            return archive.mentions(view.asked.question, view.asked.filters, exact=view.exact)

    def page(request: Request) -> Response:
        view, words = MentionsView.restore(request.query_params), words_of(request)
        headers = {
            "Content-Security-Policy": FORM_POLICY,
            "Cache-Control": "no-cache",
            "Vary": "Accept-Language",
        }
        if not view.asked.question:
            return HTMLResponse(mentions_page(None, view, words), headers=headers)
        try:
            return HTMLResponse(mentions_page(found(request, view), view, words), headers=headers)
        except PROBLEMS as error:
            shown = mentions_page(None, view, words, message_of(error, words))
            return HTMLResponse(shown, status_of(error), headers={**headers, **headers_of(error)})

    def table(request: Request) -> Response:
        lines = csv_lines(found(request, MentionsView.restore(request.query_params)))
        text = "\ufeff" + "".join(lines)  # a byte order mark, or spreadsheets guess the encoding
        return Response(text, media_type="text/csv; charset=utf-8", headers=_saved_as("mentions.csv"))

    def data(request: Request) -> Response:
        text = json_text(found(request, MentionsView.restore(request.query_params)))
        return Response(text, media_type="application/json", headers=_saved_as("mentions.json"))

    def evidence(request: Request, asking: Asking) -> Response:
        with limiter.admitted(client(request.scope)):
            pack = evidence_html(gather(archive, answer_to(archive, asking)), words=words_of(request))
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
        except PROBLEMS as error:
            said = message_of(error, words_of(request))
            return PlainTextResponse(f"{said}\n", status_of(error), headers=headers_of(error))

    return answered


def _saved_as(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
