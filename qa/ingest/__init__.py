"""Articles → storage.

Read `indexer` first: it takes articles or paths, cuts what is new or changed into passages and has them encoded and
stored. It uses `pipeline` (encoding and writing in threads), `near_duplicates` (which articles tell the same story),
`pruning` (removing what is gone) and `progress` (the counts of a run). `repair` stands apart: it checks an archive that
is there and mends it.
"""
