"""Every public set, measured beside its goals and the baselines: ``python -m evals.report``.

Read in this order: ``sets`` (what of each set is asked), ``study`` (all that is asked of one set's archive, whole and
with a part left out), ``reliability`` (whether a confidence is right), ``goals``, ``page`` and ``pictures``.
"""
