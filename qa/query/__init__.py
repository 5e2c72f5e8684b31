"""A question → a :class:`~qa.types.Query`: what its words say is read here, once.

Whether it follows another question, and whether the filters it names apply, is decided in :mod:`qa.conversation`.

Read :mod:`~qa.query.understanding` (the way from question and history to query), :mod:`~qa.query.intent` (what is
asked for), :mod:`~qa.query.scope` (which articles are meant) with :mod:`~qa.query.periods` (the times named),
:mod:`~qa.query.glossary` (words that mean the same) and :mod:`~qa.query.encoded_query` (its vectors), in this order.
What it needs of the archive, its sources, is handed to it.
"""
