"""Vectors to the nearest ids.

Read ``vector_index`` first: one immutable file, opened and searched. ``build`` writes such files, in the form
that the number of vectors asks for, and seals them. ``segments`` searches several as one index that grows.
"""
