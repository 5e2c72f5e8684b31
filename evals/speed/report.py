"""The report: how a run was made, its table, and what could not be measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from evals.speed import machine
from evals.speed.systems import PEERS
from evals.speed.table import Group, render

METHOD = """\
Figures with a stroke are median / p95 of all repetitions. The last column says how many times better ours is than the
best of the others. Systems take turns in random order, each in a process of its own with its libraries' defaults, so
that what else the machine does falls on all of them.

- **Same weights, same passages**: all use the bundled all-MiniLM-L6-v2 (ours converted, the others through
  sentence-transformers or transformers) over passages cut by our chunker, each behind its header. Ours reads the
  articles from JSON Lines and cuts them itself; the others are handed the passages.
- **Made corpora**: articles resampled from real sentences, one sentence a line. Their **vectors are ready, not
  encoded**: real vectors moved by noise with the covariance of real vectors, to a cosine of about 0.8; every system
  gets the same one for the same passage. Questions are real and encoded by each system when they are asked.
- **Search** is hybrid, 10 results. Ours gives the best passage of each of 10 articles; its reader, which no other
  has, only reads where the row says so. sentence-transformers + FAISS + bm25s fuses the best 100 of each search by
  reciprocal rank, txtai its best 100 by score, llama-index the best 10 of each by reciprocal rank. Recall is that of
  the dense search alone, against comparing with every vector.
- **Memory** is the resident set, mapped files included. A cold shell is a new process; files are in the page cache.
  Ours answers in it (`qa ask`, with the reader unless the row says otherwise), the others search.
"""


class Report(NamedTuple):
    """What a run found, as far as it has come."""

    command: str
    machine: str
    warning: str | None
    systems: Sequence[str]
    groups: Sequence[Group]
    notes: Sequence[str]

    def markdown(self) -> str:
        """Return the whole report."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield f"# Speed\n\n`{self.command}`\n\n{self.machine}\n"
        if self.warning:
            yield f"**{self.warning}**\n"
        yield METHOD
        yield render(self.groups, self.systems)
        if self.notes:
            yield "\nNot measured:\n"
            yield from (f"- {note}" for note in self.notes)


def described() -> str:
    """Describe the machine and the versions of all that is measured."""
    needed = [distribution for name in PEERS for distribution in PEERS[name]]
    return machine.description(dict.fromkeys(needed))
