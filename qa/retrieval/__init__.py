"""A query and a view of the archive → passages, best first; and all passages that hold a term.

Read :mod:`~qa.retrieval.retriever` (dense and keyword search together), :mod:`~qa.retrieval.fusion` (several scores →
one order), :mod:`~qa.retrieval.occurrences` (every mention of a term) and :mod:`~qa.retrieval.timeline` (when the
articles near a question were published), in this order.
"""
