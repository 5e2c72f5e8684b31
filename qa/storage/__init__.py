"""How an archive lies on disk; SQLite, FAISS and tantivy are known here and in :mod:`qa.ingest` only.

Read :mod:`~qa.storage.collection` (the articles, opened), :mod:`~qa.storage.folder`, :mod:`~qa.storage.database` (the
one source of truth) with :mod:`~qa.storage.transaction` and :mod:`~qa.storage.write_transaction`,
:mod:`~qa.storage.snapshot` (the derived indexes) with :mod:`~qa.storage.manifest` and
:mod:`~qa.storage.keyword_index`, :mod:`~qa.storage.generations` (states, one after the other),
:mod:`~qa.storage.view` (one of them), :mod:`~qa.storage.stories` and :mod:`~qa.storage.lock`, in this order.
"""
