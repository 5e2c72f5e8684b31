"""A question → a :class:`~qa.types.Query`: everything that can be read from its words is read here, once.

Read :mod:`~qa.query.understanding` (the way from question and history to query), :mod:`~qa.query.intent` (what is
asked for), :mod:`~qa.query.scope` (which articles are meant) with :mod:`~qa.query.periods` (the times named),
:mod:`~qa.query.glossary` (words that mean the same) and :mod:`~qa.query.encoded_query` (its vectors), in this order.
What it needs to know of the archive, the names of its sources, is handed to it.
"""
