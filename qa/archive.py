"""An archive: one folder of articles that can be searched and asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from embeddings import Encoder
from qa.answering import calibration, examples
from qa.answering.answerer import Answerer
from qa.answering.calibration import Calibration
from qa.answering.models import Models, SentenceVectors
from qa.answering.selector import relevance
from qa.conversation import Conversation
from qa.query.encoded_query import EncodedQuery
from qa.query.glossary import Glossary, GlossaryFile
from qa.query.understanding import understand
from qa.retrieval import occurrences
from qa.retrieval.retriever import retrieve
from qa.retrieval.timeline import Timeline, timeline
from qa.settings import NO_READER
from qa.storage import stories
from qa.storage.collection import Collection
from qa.storage.folder import load_encoder_of
from qa.storage.view import View
from qa.types import Answer, Filters, Hit, IngestReport, Occurrences, Progress, Query, Turn

if TYPE_CHECKING:
    from embeddings.reading.hub import HubReader
    from embeddings.reading.reader import Reader
    from qa.ingest.indexer import Input
    from qa.ingest.repair import CheckReport

log = logging.getLogger("qa")

Result = TypeVar("Result")


class Archive(Collection):
    """A folder with a database and the indexes derived from it. Safe to use from several threads.

    Make one with :meth:`create` or :meth:`open`.
    """

    def glossary(self) -> Glossary:
        """Return the glossary as its file says now; an empty one where there is none."""
        return self._glossary.current()

    @cached_property
    def _glossary(self) -> GlossaryFile:
        return GlossaryFile(self.path)

    @cached_property
    def encoder(self) -> Encoder:
        """The model the archive was made with, loaded when first needed.

        Raises:
            ArchiveIncompatible: The model has changed since.
            embeddings.EmbeddingError: It cannot be loaded.
        """
        return self._encoder or load_encoder_of(self.path, self._database, self.settings)

    @cached_property
    def _sentences(self) -> SentenceVectors:
        return SentenceVectors(self.encoder)

    @cached_property
    def reader(self) -> Reader | HubReader | None:
        """The model that reads passages for the answer, or ``None`` where the settings want none."""
        name = self.settings.reader
        if name in (None, NO_READER):
            return None
        from embeddings.reading.load import load_reader

        return load_reader(name, self.settings.cache_dir, notify=log.warning)

    def reader_for(self, question: str) -> Reader | HubReader | None:
        """Return the model that reads for a question; ``None`` where it knows nothing of its language."""
        return self.reader if self.reader and self.reader.reads(question) else None

    def examples(self, n: int = 4) -> list[str]:
        """Return up to ``n`` questions that this archive answers."""
        with self._database.read() as transaction:
            return examples.questions(transaction.articles(), n)

    def describe(self) -> dict[str, str | int]:
        """Return what ``qa info`` shows: counts, days covered, model, generation, sizes, the indexes' state."""
        from qa.ingest import repair

        with self._database.read() as transaction:
            return repair.describe(transaction, self.path)

    def check(self, *, repair: bool = False) -> CheckReport:
        """Check everything: the database, every passage, every count, every derived file.

        Args:
            repair: Whether to mend what can be: passages from their articles' text, indexes from passages.

        Raises:
            ArchiveBusy: It is to be repaired, and another process is writing.
        """
        from qa.ingest.repair import check_archive, repair_archive

        if not repair:
            return check_archive(self._database, self.path)
        return repair_archive(self._database, self.path, self._generations, lambda: self.encoder)

    def add(
        self,
        sources: Input | Iterable[Input],
        *,
        map: Mapping[str, str] | None = None,
        format: str | None = None,
        progress: Callable[[Progress], None] | None = None,
        prune: bool = False,
    ) -> IngestReport:
        """Add articles, or files and folders of articles; what is there already is updated or left alone.

        Args:
            sources: Articles, files, folders, patterns such as ``pages/**/*.html``, ``-`` for standard input.
            map: The column or key in which a field of an article is found, where it has another name:
                ``{"text": "body", "date": "published_at"}``.
            format: The extension to go by where a name has none that is known.
            progress: Called now and then, in this thread, with how far the work has come.
            prune: Whether to remove, in the end, the articles that were read before from these files and
                folders and are not there any more. Those that were read from elsewhere, too, stay, and so do
                those of a file or folder that cannot be read in full.

        Whatever interrupts it, Ctrl-C included, what is stored by then is kept; the exception carries a note
        that says how many articles that is. The same call goes on from there.

        Raises:
            InputError: Nothing could be read at all, or there is no such field or format.
            ArchiveReadOnly: The folder cannot be written.
        """
        from qa.ingest.indexer import ingest
        from qa.loaders.registry import load_paths

        read = partial(load_paths, map=map, format=format)
        with self._generations.writing("adding articles") as stored:
            return ingest(sources, self._database, self.encoder, read, stored, progress, prune=prune)

    def remove(self, ids: str | Iterable[str]) -> int:
        """Remove articles; ids that are not there are passed over. Return how many were removed."""
        with self._generations.writing("removing articles"), self._database.write() as transaction:
            return sum(map(transaction.remove, [ids] if isinstance(ids, str) else ids))

    def compact(self, *, vacuum: bool = False) -> None:
        """Write all indexes anew, each in one piece, and forget revisions of articles that were replaced.

        A part of this happens by itself when much has been added or removed.

        Args:
            vacuum: Whether to write the database anew too, to give back the room of what was deleted. That
                takes room for a second copy of it meanwhile.

        Raises:
            ArchiveReadOnly: The folder cannot be written.
            ArchiveBusy: Another process has been writing for a minute.
        """
        with self._generations.writing("compacting"):
            with self._database.write() as transaction:
                transaction.purge()
            self._generations.publish(rebuild=True)
            if vacuum:
                self._database.vacuum()

    def search(
        self,
        question: str,
        k: int = 10,
        history: Sequence[Turn] | None = None,
        filters: Filters | None = None,
        *,
        read: bool = True,
        collapse: bool = True,
    ) -> list[Hit]:
        """Return the best passage of each of the best ``k`` articles, best first.

        Exactly ``min(k, articles the filters leave)`` hits, where articles that tell the same story in nearly
        the same words count as one, unless ``collapse`` is off: the one that is found first stands for all, and
        ``hit.also`` names the others.

        Args:
            question: In plain language.
            k: How many articles.
            history: The conversation so far, oldest first.
            filters: Which articles to look at.
            read: Whether the reader reads the most promising passages and puts them in order, where
                there is one; without it a search takes a tenth of the time.
            collapse: Whether each story is shown once.

        Raises:
            QuestionError: The question is empty.
        """
        reader = self.reader_for(question) if read else None

        def work(view: View) -> list[Hit]:
            query = self._understand(view, question, history or (), filters or Filters())
            rerank = partial(relevance, query, reader=reader) if reader else None
            return retrieve(EncodedQuery.of(query, self.encoder), k, view, rerank, collapse=collapse)

        return self.reading(work)

    def ask(
        self,
        question: str,
        history: Sequence[Turn] | None = None,
        filters: Filters | None = None,
        *,
        narrow: bool = True,
        today: date | None = None,
    ) -> Answer:
        """Answer a question by verbatim quotes, or say that the archive does not.

        Args:
            question: In plain language.
            history: The conversation so far, oldest first.
            filters: Which articles to look at.
            narrow: Whether a date or a source that the question names narrows the articles too, for as long as
                that leaves an answer; ``answer.query.filters`` says what was looked at.
            today: What "yesterday" and "last year" count from; by default the present day.

        Raises:
            QuestionError: The question is empty.
        """

        def work(view: View) -> Answer:
            models = calibration.applied(
                view, Models.of(self.encoder, self._sentences, self.reader_for(question))
            )
            answerer = Answerer(view, models, self.settings.refuse, self.glossary())
            conversation = Conversation(view, answerer, partial(self._understand, view, today=today))
            answer = conversation.answer(question, history or (), filters or Filters(), narrow=narrow)
            return stories.with_copies(answer, view)

        return self.reading(work)

    def _understand(
        self,
        view: View,
        question: str,
        history: Sequence[Turn],
        filters: Filters,
        *,
        today: date | None = None,
    ) -> Query:
        return understand(
            question,
            history,
            filters,
            sources=view.source_names,
            glossary=self.glossary(),
            longest=self.settings.max_question,
            today=today,
        )

    def mentions(self, term: str, filters: Filters | None = None, *, exact: bool = False) -> Occurrences:
        """Return every place where a term stands, in texts and titles, not only the best ones.

        Args:
            term: A word, a name or a phrase, whose words stand one after the other. Forms of a word count as
                the word ("prosecutors" for "prosecutor"), and what the glossary says means the same.
            filters: Which articles to look at.
            exact: Whether only the words as written count; case never does.

        Raises:
            QuestionError: There is no word to look for.
        """
        terms = [term] if exact else self.glossary().same(term)
        return self.reading(lambda view: occurrences.find(terms, filters or Filters(), view, exact=exact))

    def timeline(self, query: Query) -> Timeline:
        """Count the articles near a query by the month of their publication, whatever period it is limited to."""
        return self.reading(partial(timeline, query))

    def calibrate(
        self, questions: int = 200, *, seed: int = 0, progress: Callable[[int, int], None] | None = None
    ) -> Calibration:
        """Fit anew how sure answers are, and from where on they are given, on questions made of the articles.

        Args:
            questions: How many to make; each takes about half a second.
            seed: Decides which.
            progress: Called with the questions asked so far and those there will be.

        Raises:
            ArchiveReadOnly: The folder cannot be written.
            CalibrationError: There are too few articles to make questions of.
        """

        def work(view: View) -> Calibration:
            models = Models.of(self.encoder, self._sentences, self.reader)
            return calibration.calibrate(view, models, questions, seed, progress)

        found = self.reading(work)
        self._record_calibration(found.model_dump_json())
        return found

    def uncalibrate(self) -> None:
        """Go back to the coefficients that come with the package."""
        self._record_calibration("")

    def _record_calibration(self, written: str) -> None:
        with self._generations.writing("calibrating"), self._database.write() as transaction:
            transaction.set_meta(calibration=written)
