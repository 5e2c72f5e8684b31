"""Questions with gold answers, the metrics over them, and the gate: ``python -m evals``.

Read in this order: ``dataset`` (questions and gold), ``archives`` (an archive of a dataset's corpus), ``outcomes``
(each question asked and scored by ``metrics``), ``summary`` (the figures of a run), ``gate`` (a run's figures beside
their baseline).
``baselines`` ranks by BM25, dense and RRF. ``internals`` is the only module that reaches inside an archive.
``report`` measures all sets, ``speed`` measures time and memory, ``training`` makes the reader and the coefficients.
"""
