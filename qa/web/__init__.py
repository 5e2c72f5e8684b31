"""The web page over an archive, and what stands in front of it.

A request passes :mod:`~qa.web.middleware`, reaches a route, and gets a page of :mod:`~qa.web.pages`. Read
:mod:`~qa.web.app` (what is served), :mod:`~qa.web.routes` (what the page asks for), :mod:`~qa.web.downloads` (every
mention, the evidence pack), :mod:`~qa.web.upload` (articles that people add), :mod:`~qa.web.suggestions` and
:mod:`~qa.web.statuses` (which error has which HTTP status), then :mod:`~qa.web.server` (start and stop).
``templates/`` holds the HTML, ``assets/`` the stylesheets and scripts; the words are those of :mod:`qa.words`.
"""

from pathlib import Path

ASSETS = Path(__file__).parent / "assets"
"""The folder of stylesheets that the page and the article pages link to, and of the page's scripts."""
