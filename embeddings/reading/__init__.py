"""Question and passages to readings: how relevant each passage is, and where its answer stands.

Read ``reading`` first, the result, then ``load``, which says which reader a name means. ``reader`` is the
bundled one, with its input rows (``inputs``) and its network (``graph``). ``hub`` runs readers made by others,
once ``convert`` has converted them in a child process.
"""
