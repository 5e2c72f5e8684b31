"""Makes what the package ships: the reader's weights and the coefficients: ``python -m evals.training``.

Read in this order: ``data`` (questions, held-out articles, hard negatives), ``adversary`` (questions changed so that
they have no answer), ``sampler`` (the stream of examples), ``model`` (the network and its loss), ``loop`` (a run),
``export`` (measure, convert, write the card). ``fit`` is apart: it fits the coefficients in ``weights.json``.
"""
