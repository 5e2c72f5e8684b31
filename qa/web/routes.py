"""What the page asks the server for: its frame, answers, questions to ask next, articles, stylesheets and scripts."""

from __future__ import annotations

import logging

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from qa.archive import Archive
from qa.errors import ArticleNotFound
from qa.feedback import Feedback, keep
from qa.settings import Settings
from qa.types import Coverage
from qa.web import ASSETS
from qa.web.middleware import access_log
from qa.web.middleware.asgi import client
from qa.web.middleware.rate_limit import RateLimiter
from qa.web.middleware.security_headers import ARTICLE_POLICY
from qa.web.pages.article import article_page, missing_page
from qa.web.pages.frame import frame_html, questions_html
from qa.web.pages.links import Asked, Place
from qa.web.pages.turn import Asking, answer_to, turn_json
from qa.web.statuses import PROBLEMS, headers_of, message_of, status_of, words_of
from qa.web.suggestions import NextRequest, Suggestions
from qa.web.upload import add_adding

log = logging.getLogger("qa.page")

EXAMPLES = 4
"""Questions offered before anything is asked."""
FOLLOWING = 3
"""Questions offered after an answer."""
_ARTICLE = {"Content-Security-Policy": ARTICLE_POLICY, "Cache-Control": "no-cache", "Vary": "Accept-Language"}


def add_routes(app: FastAPI, archive: Archive, settings: Settings, limiter: RateLimiter) -> None:
    """Add the page's routes to an app; questions ask the limiter for a place."""
    suggestions, feedback = Suggestions(archive), settings.feedback and archive.writable
    adds = settings.upload and archive.writable
    for problem in PROBLEMS:
        app.add_exception_handler(problem, _refused)

    @app.get("/article/{article_id:path}")
    def read(request: Request) -> Response:
        params, words = request.query_params, words_of(request)
        try:
            article = archive.get(request.path_params["article_id"] or params.get("id", ""))
            place, status = Place.read(params, len(article.text)), 200
            page = article_page(article, place, Asked.restore(params), words)
        except PROBLEMS as error:
            status, said = status_of(error), words.errors
            missing = isinstance(error, ArticleNotFound)
            heading, hint = (said.missing, said.missing_hint) if missing else (said.unreadable, str(error))
            page = missing_page(heading, hint, words)
        return HTMLResponse(page, status, headers=_ARTICLE)

    @app.get("/start")
    def start(request: Request) -> JSONResponse:
        words, problem = words_of(request), ""
        held, sources = Coverage(articles=0), list[str]()
        try:
            held, sources = archive.coverage(), archive.sources()
        except PROBLEMS as error:
            problem = str(error)
        asked = Asked.restore(request.query_params)
        return _json(
            {
                "html": frame_html(held, sources, suggestions.known(), words, problem, adds=adds),
                "texts": words.script,
                "lang": words.lang,
                "keep": settings.keep_conversations,
                "asked": asked.model_dump(mode="json"),
                "url": asked.url,
            }
        )

    @app.post("/turn")
    def turn(asking: Asking, request: Request) -> JSONResponse:
        with limiter.admitted(client(request.scope)):
            answer = answer_to(archive, asking)
            shown = turn_json(archive, answer, asking, words_of(request), feedback=feedback)
        if settings.log_questions:
            access_log.write("question", question=answer.question, abstained=answer.abstained)
        return _json(shown)

    @app.post("/next")
    def following(known: NextRequest, request: Request) -> JSONResponse:
        words, questions = words_of(request), list[str]()
        label = words.ask_next if known.asked else words.try_asking
        with limiter.spare() as free:
            try:
                if free and known.asked:
                    questions = suggestions.next(known.cited, known.asked, FOLLOWING)
                elif free:
                    questions = suggestions.first(EXAMPLES)
            except PROBLEMS as error:
                log.warning("No questions can be offered: %s", error)
        return _json({"html": questions_html(questions, label)})

    if feedback:

        @app.post("/feedback")
        def judged(asking: Asking, said: Feedback, request: Request) -> JSONResponse:
            words = words_of(request)
            with limiter.admitted(client(request.scope)):
                keep(archive, said, answer_to(archive, asking), asking.history)
            return _json({"message": words.feedback_kept})

    if adds:
        add_adding(app, archive)

    app.mount("/ui", StaticFiles(directory=ASSETS))


def _refused(request: Request, error: Exception) -> JSONResponse:
    """Answer what goes wrong with one line for the page's script, and the status that fits."""
    return _json({"message": message_of(error, words_of(request))}, status_of(error), headers_of(error))


def _json(content: object, status: int = 200, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(content, status, headers={"Cache-Control": "no-store", **(headers or {})})
