"""What the page asks the server for: its frame, answers, questions to ask next, articles, stylesheets and scripts."""

from __future__ import annotations

import logging

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from embeddings import EmbeddingError
from qa.archive import Archive
from qa.errors import ArticleNotFound, Busy, QAError
from qa.feedback import Feedback, keep
from qa.settings import Settings
from qa.types import Coverage
from qa.web import ASSETS
from qa.web.middleware import access_log as requests_log
from qa.web.middleware.asgi import client
from qa.web.middleware.rate_limit import RateLimiter
from qa.web.middleware.security_headers import ARTICLE_POLICY
from qa.web.pages.article import article_page, missing_page
from qa.web.pages.frame import frame_html
from qa.web.pages.links import Asked, Place
from qa.web.pages.turn import Asking, reply_to, turn_json
from qa.web.suggestions import Offered, Told, questions_html
from qa.web.texts import Texts, script_texts, texts_for
from qa.web.upload import add_adding

log = logging.getLogger("qa.page")

EXAMPLES, FOLLOWING = 4, 3
"""Questions offered before anything is asked, and after an answer."""
PROBLEMS = (QAError, EmbeddingError)
_ARTICLE = {"Content-Security-Policy": ARTICLE_POLICY, "Cache-Control": "no-cache", "Vary": "Accept-Language"}


def add_routes(app: FastAPI, archive: Archive, settings: Settings, gate: RateLimiter) -> None:
    """Add the page's routes to an app; questions pass the gate."""
    offered, feedback = Offered(archive), settings.feedback and archive.writable
    adds = settings.upload and archive.writable

    @app.get("/article/{article_id:path}")
    def read(request: Request) -> Response:
        params, texts = request.query_params, _texts(request)
        try:
            article = archive.get(request.path_params["article_id"] or params.get("id", ""))
            place, status = Place.read(params, len(article.text)), 200
            page = article_page(article, place, Asked.restore(params), texts)
        except ArticleNotFound:
            page, status = missing_page(texts.missing, texts.missing_hint, texts), 404
        except QAError as error:
            page, status = missing_page(texts.unreadable, str(error), texts), 503
        return HTMLResponse(page, status, headers=_ARTICLE)

    @app.get("/start")
    def start(request: Request) -> JSONResponse:
        texts, problem = _texts(request), ""
        held, sources = Coverage(articles=0), list[str]()
        try:
            held, sources = archive.coverage(), archive.sources()
        except PROBLEMS as error:
            problem = str(error)
        asked = Asked.restore(request.query_params)
        frame = frame_html(held, sources, offered.known(), texts, problem, adds=adds)
        return _json(
            {
                "html": frame,
                "texts": script_texts(texts),
                "lang": texts.lang,
                "keep": settings.keep_conversations,
                "asked": asked.model_dump(mode="json"),
                "url": asked.url,
            }
        )

    @app.post("/turn")
    def turn(asking: Asking, request: Request) -> JSONResponse:
        texts = _texts(request)
        try:
            with gate.admitted(client(request.scope)):
                reply = reply_to(archive, asking)
                told = turn_json(archive, reply, asking, texts, feedback=feedback)
        except Busy as error:
            return _busy(error, texts)
        except PROBLEMS as error:
            return _json({"message": str(error)}, 422)
        if settings.log_questions:
            requests_log.write("question", question=reply.answer.question, abstained=reply.answer.abstained)
        return _json(told)

    @app.post("/next")
    def following(told: Told, request: Request) -> JSONResponse:
        texts, questions = _texts(request), list[str]()
        label = texts.ask_next if told.asked else texts.try_asking
        with gate.spare() as free:
            try:
                if free and told.asked:
                    questions = offered.next(told.cited, told.asked, FOLLOWING)
                elif free:
                    questions = offered.first(EXAMPLES)
            except PROBLEMS as error:
                log.warning("No questions can be offered: %s", error)
        return _json({"html": questions_html(questions, label)})

    if feedback:

        @app.post("/feedback")
        def told(asking: Asking, said: Feedback, request: Request) -> JSONResponse:
            try:
                with gate.admitted(client(request.scope)):
                    keep(archive, said, reply_to(archive, asking).answer, asking.history)
            except Busy as error:
                return _busy(error, _texts(request))
            except PROBLEMS as error:
                return _json({"message": str(error)}, 422)
            return _json({"message": _texts(request).feedback_kept})

    if adds:
        add_adding(app, archive)

    app.mount("/ui", StaticFiles(directory=ASSETS))


def _texts(request: Request) -> Texts:
    return texts_for(request.headers.get("accept-language"))


def _busy(error: Busy, texts: Texts) -> JSONResponse:
    """Say that no question is let in just now; in the reader's language, if less exactly."""
    said = str(error) if texts.lang == "en" else texts.busy
    return _json({"message": said}, 503, {"Retry-After": str(error.retry_after)})


def _json(content: object, status: int = 200, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(content, status, headers={"Cache-Control": "no-store", **(headers or {})})
