"""What stands between the network and the page: who may come in, how often, how large, and what is written down.

Plain ASGI, so that it guards every route alike: the page's, Gradio's own, the article pages and MCP. Read
:mod:`~qa.web.middleware.stack` (all of it, in its order), :mod:`~qa.web.middleware.asgi` (what the others share),
:mod:`~qa.web.middleware.request_guard`, :mod:`~qa.web.middleware.auth`, :mod:`~qa.web.middleware.rate_limit`,
:mod:`~qa.web.middleware.security_headers` and :mod:`~qa.web.middleware.access_log`.
"""
