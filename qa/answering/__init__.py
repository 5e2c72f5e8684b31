"""Passages → an :class:`~qa.types.Answer`: which sentences answer, how sure that is, and when to be silent.

Read :mod:`~qa.answering.answerer` (the story from query to answer), :mod:`~qa.answering.selector` (sentences and their
features) with :mod:`~qa.answering.models` and :mod:`~qa.answering.weights`, :mod:`~qa.answering.short_answer`,
:mod:`~qa.answering.lists`, :mod:`~qa.answering.article_facts` and :mod:`~qa.answering.contradiction` (kinds of answers),
:mod:`~qa.answering.citations` and :mod:`~qa.answering.composing` (quotes → answer), then
:mod:`~qa.answering.calibration` and :mod:`~qa.answering.examples`, in this order.
"""
