"""What is shown: each module prepares plain data, and a template of ``qa/web/templates`` makes it HTML.

Read :mod:`~qa.web.pages.html` (how templates are rendered), :mod:`~qa.web.pages.links` (the addresses that the
page uses), :mod:`~qa.web.pages.turn` (a question and its answer), :mod:`~qa.web.pages.answer` with
:mod:`~qa.web.pages.cards` and :mod:`~qa.web.pages.timeline`, then the pages of their own:
:mod:`~qa.web.pages.frame`, :mod:`~qa.web.pages.article`, :mod:`~qa.web.pages.occurrences` and
:mod:`~qa.web.pages.evidence`.
"""
