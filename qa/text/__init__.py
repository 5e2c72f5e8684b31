"""Text in, text out, no archive: characters, words, sentences, passages, days and languages.

Read :mod:`~qa.text.characters` (classes of characters), :mod:`~qa.text.tokens` (what counts as a word and as the
same word), :mod:`~qa.text.sentences` (exact offsets), :mod:`~qa.text.chunking` (passages of whole sentences),
:mod:`~qa.text.dates` (stated dates) and :mod:`~qa.text.language`, in this order.
"""
