"""Owns the check of a whole archive (every passage, count and file), its repair, and the facts of ``qa info``."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from embeddings import Encoder
from embeddings.types import DEFAULT_MODEL
from qa.errors import QAError, SnapshotDamaged
from qa.ingest.near_duplicates import text_hash
from qa.storage.database import Database
from qa.storage.generations import DERIVED, Generations
from qa.storage.manifest import Manifest
from qa.storage.snapshot import KEYWORDS, VECTORS, Snapshot
from qa.storage.transaction import Transaction
from qa.storage.write_transaction import COUNTED, INCOMING, WriteTransaction
from qa.text import chunking
from qa.types import Frozen, embedded_text, header

NORM_TOLERANCE = 0.01
"""How far the length of a stored vector may be from 1; rounding to float16 changes it by less than 0.001."""
_RANGE = 50_000
"""Passages whose ids are compared at a time."""
_ORPHANED = (
    "FROM passage WHERE article NOT IN (SELECT key FROM article WHERE current)"
    f" AND article NOT IN ({INCOMING})"
)
_LOST = "FROM staged WHERE article IS NOT NULL AND article NOT IN (SELECT key FROM article)"
_RECOUNTED = "SELECT source_key, count(*), count(published) FROM article WHERE current GROUP BY source_key"
_COUNTS = "SELECT key, articles, dated FROM source"
_MISCOUNTED = {
    "{} passages belong to no article.": f"SELECT count(*) {_ORPHANED}",
    "{} staged changes have lost their article.": f"SELECT count(*) {_LOST}",
    "The number of articles is wrong for {} sources.": "SELECT count(DISTINCT key) FROM"
    f" (SELECT * FROM ({_COUNTS} EXCEPT {_RECOUNTED}) UNION SELECT * FROM ({_RECOUNTED} EXCEPT {_COUNTS}))",
}
"""What may be wrong between the tables, and how many times it is."""


class CheckReport(Frozen):
    """What :meth:`qa.Archive.check` found. Each problem is a sentence."""

    articles: int
    passages: int
    problems: tuple[str, ...] = ()
    """What is wrong now."""
    repaired: tuple[str, ...] = ()
    """What was wrong and has been mended."""
    notes: tuple[str, ...] = ()
    """What is worth knowing but is no damage."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong now."""
        return not self.problems


def check_archive(database: Database, folder: Path) -> CheckReport:
    """Check everything; change nothing."""
    damage = [
        f"The database is damaged: {problem}. Restore {database.path} from a copy, or index the articles again."
        for problem in database.problems()
    ]
    try:
        with database.read() as transaction:
            found = [sentence for sentence, _ in _unsound(transaction)]
            found += [*_miscounted(transaction), *_derived(transaction, folder)]
            staged = transaction.value("SELECT count(*) FROM staged")
            articles, passages = transaction.coverage().articles, transaction.passage_count()
    except QAError as error:
        return CheckReport(articles=0, passages=0, problems=(*damage, str(error)))
    waiting = f"{staged:,} changes of a writer that is at work, or was cut off, are not published yet."
    return CheckReport(
        articles=articles,
        passages=passages,
        problems=(*damage, *dict.fromkeys(found)),
        notes=(waiting,) if staged else (),
    )


def repair_archive(
    database: Database, folder: Path, published: Generations, encoder: Callable[[], Encoder]
) -> CheckReport:
    """Mend what can be mended: passages from the text of their articles, all else from articles and passages.

    Args:
        database: The archive's database.
        folder: The archive's folder.
        published: The published states of its indexes.
        encoder: Loads the archive's model; called only if passages have to be encoded again.

    Raises:
        ArchiveBusy: Another process is writing.
        ArchiveError: There is no room, or nothing can be written.
    """
    with published.writing("repairing"):
        before = check_archive(database, folder)
        if database.problems():
            database.reindex()
        with database.write() as transaction:
            broken = {article for _, article in _unsound(transaction) if article is not None}
            transaction.run(f"DELETE {_LOST}", f"DELETE {_ORPHANED}", "DELETE FROM source", COUNTED)
        for article_id in sorted(broken):
            with database.write() as transaction:
                _cut_again(transaction, article_id, encoder())
        with database.read() as transaction:
            rebuild = any(True for _ in _derived(transaction, folder))
            staged, name = transaction.has_staged(), transaction.meta("derived")
        if rebuild or staged:
            published.publish(rebuild=rebuild)
        else:
            Snapshot.prune(folder / DERIVED, keep={name})
    after = check_archive(database, folder)
    mended = tuple(problem for problem in before.problems if problem not in after.problems)
    return after.model_copy(update={"repaired": mended})


def _unsound(transaction: Transaction) -> Iterator[tuple[str, str | None]]:
    """Yield what is wrong with articles and passages, and the id of the article if cutting it again helps."""
    dim = int(transaction.meta("dim"))
    listed = transaction.query(
        "SELECT key, id FROM article WHERE same_as IS NULL AND (current OR key IN (SELECT article FROM staged))"
        " ORDER BY key"
    )
    for key, article_id in listed:
        try:
            article = transaction.revision(key)
        except (ValidationError, ValueError, TypeError, sqlite3.DatabaseError) as error:
            yield f"Article {article_id!r} cannot be read ({error}). Add it again.", None
            continue
        number = 0
        for number, start, end, vector in transaction.query(
            "SELECT id, start, end, CAST(vector AS BLOB) FROM passage WHERE article = ?", key
        ):
            if not 0 <= start < end <= len(article.text):
                yield f"Passage {number} lies outside its article {article_id!r}.", article_id
            values = np.frombuffer(vector, np.float16) if len(vector) == 2 * dim else np.empty(0, np.float16)
            length = float(np.linalg.norm(values.astype(np.float32)))
            if not abs(length - 1) <= NORM_TOLERANCE:  # written so that it holds for NaN too
                yield f"Passage {number} of article {article_id!r} has no sound vector.", article_id
        if number == 0:
            yield f"Article {article_id!r} has no passages.", article_id


def _miscounted(transaction: Transaction) -> Iterator[str]:
    for sentence, sql in _MISCOUNTED.items():
        if count := transaction.value(sql):
            yield sentence.format(f"{count:,}")


def _derived(transaction: Transaction, folder: Path) -> Iterator[str]:
    """Yield what is wrong with the search indexes."""
    derived, name = folder / DERIVED, transaction.meta("derived")
    try:
        if not name:
            raise SnapshotDamaged("not built yet")
        Manifest.read(derived / name).check(derived / name, thorough=True)
        snapshot = Snapshot.open(derived, name)
    except SnapshotDamaged as error:
        yield f"The search index is damaged: {error}."
        return
    last = max(transaction.last_passage(), *(part.bounds[1] for part in snapshot.vectors.segments), 0)
    for index, what in ((snapshot.vectors, "vectors"), (snapshot.keywords, "keywords")):
        missing = foreign = 0
        for first in range(1, last + 1, _RANGE):
            stored = transaction.passage_ids(first, first + _RANGE - 1)
            held = index.ids_between(first, first + _RANGE - 1)
            missing += len(np.setdiff1d(stored, held))
            foreign += len(held) - len(np.intersect1d(stored, held))
        if missing or foreign or len(index) != transaction.passage_count():
            yield f"The index of {what} lacks {missing:,} passages and holds {foreign:,} that are gone."


def _cut_again(transaction: WriteTransaction, article_id: str, encoder: Encoder) -> None:
    """Cut an article into passages again, encode them and stage them."""
    article = transaction.latest(article_id)
    if article is None:
        return
    spans = chunking.chunk(article.text, encoder.token_spans, encoder.max_tokens)
    texts = [embedded_text(header(article), article.text[a:b]) for a, b in spans]
    vectors = encoder.encode(texts).astype(np.float16)
    transaction.put(article, spans, vectors, transaction.origin(article_id), text_hash(article.text))


def describe(transaction: Transaction, folder: Path) -> dict[str, str | int]:
    """Return what an archive holds, how large it is, and whether its indexes are sound."""
    coverage, name = transaction.coverage(), transaction.meta("derived")
    root = folder / DERIVED / name
    facts: dict[str, str | int] = {
        "path": str(folder),
        "articles": coverage.articles,
        "passages": transaction.passage_count(),
        "undated": coverage.undated,
        "first": str(coverage.first or ""),
        "last": str(coverage.last or ""),
        "sources": len(transaction.sources()),
        "model": transaction.meta("model") or DEFAULT_MODEL,
        "fingerprint": transaction.meta("fingerprint"),
        "generation": transaction.generation,
        "staged": transaction.value("SELECT count(*) FROM staged"),
    }
    try:
        manifest = Manifest.read(root)
        manifest.check(root)
        facts["index"] = "sound"
        facts["vector_files"] = len(manifest.parts)
        facts["vectors_apart"] = sum(part.count for part in manifest.parts[1:])
        facts["vectors_gone"] = sum(p.count for p in manifest.parts) - int(facts["passages"])
    except SnapshotDamaged as error:
        facts["index"] = f"damaged, will be rebuilt ({error})"
    facts["database_bytes"] = sum(path.stat().st_size for path in folder.glob("archive.sqlite*"))
    facts["vector_bytes"], facts["keyword_bytes"] = _bytes(root / VECTORS), _bytes(root / KEYWORDS)
    facts["bytes"] = _bytes(folder)
    return facts


def _bytes(folder: Path) -> int:
    """Add up the sizes of the files below a folder; a file with several names counts once."""
    files = {(s.st_dev, s.st_ino): s.st_size for p in folder.rglob("*") if p.is_file() for s in [p.stat()]}
    return sum(files.values())
