"""The study of one set: everything that is asked of its archive, whole and with a part left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import qa
from embeddings.reading.hub import HubReader
from embeddings.reading.reader import Reader
from embeddings.reading.reading import Reading
from embeddings.types import BUNDLED_READER
from evals import metrics
from evals.archives import archive_of
from evals.baselines import rank_all
from evals.dataset import Dataset, Question
from evals.internals import WithoutScope, names_articles, threshold
from evals.outcomes import Outcome, Part, examine
from evals.report.sets import asked_elsewhere
from evals.summary import Row, rows
from qa.settings import NO_READER, Settings

OURS, WITH_READER, WITHOUT_READER = "ours", "with the reader", "no reader"
NO_HISTORY, NO_SCOPE = "no history", "no scope"
PROGRESS_EVERY = 250
"""Questions between two lines of progress."""

Run = tuple[Outcome, ...]
Orders = dict[str, Sequence[str]]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Study:
    """What was found on one set. "Ours" is the archive under the settings of the run.

    Attributes:
        dataset: the set, with the questions that were asked.
        model: embedding model.
        articles: how many the archive holds.
        passages: how many the archive holds.
        other: the system that differs from ours by the reader: one has it, one has not.
        orders: system → question id → article ids, best first; a part that no question needs is not left out.
        ranked: system → question id → ranking metric → value.
        runs: system → what it did with each question; only for those that answer as well as search.
        always: the same of ours and ``other``, made to answer whatever the confidence.
        elsewhere: the same, of questions of other sets put to this archive; empty where there are none.
        rows: system → key → row of its run.
        thresholds: of ours and ``other``, the confidence below which they refuse.
    """

    dataset: Dataset
    model: str
    articles: int
    passages: int
    other: str
    orders: Mapping[str, Orders]
    ranked: Mapping[str, Mapping[str, Mapping[str, float]]]
    runs: Mapping[str, Run]
    always: Mapping[str, Run]
    elsewhere: Mapping[str, Run]
    rows: Mapping[str, Mapping[str, Row]]
    thresholds: Mapping[str, float]

    @property
    def name(self) -> str:
        """The set's name."""
        return self.dataset.name

    def values(self, system: str, metric: str) -> dict[str, float]:
        """Return a metric of a system by question id, for the questions that it applies to."""
        if metric in metrics.RANKING:
            return {q: scores[metric] for q, scores in self.ranked.get(system, {}).items()}
        return scores_of(self.runs.get(system, ()), metric)


def scores_of(run: Run, metric: str) -> dict[str, float]:
    """Return a metric by question id, for the questions of a run that it applies to."""
    return {o.id: o.scores[metric] for o in run if metric in o.scores}


class RememberingReader(Reader):
    """A reader that reads nothing twice: most variants of an archive read the same passages."""

    def __init__(self, reader: Reader | HubReader) -> None:
        self.fingerprint = reader.fingerprint
        self._reader = reader
        self._known: dict[tuple[str, str, str], Reading] = {}

    def read(
        self, question: str, passages: Sequence[str], titles: Sequence[str] | None = None
    ) -> list[Reading]:
        """Read as the reader does, but only what is new."""
        keys = [(question, *pair) for pair in zip(titles or [""] * len(passages), passages, strict=True)]
        new = [key for key in dict.fromkeys(keys) if key not in self._known]
        readings = self._reader.read(question, [key[2] for key in new], [key[1] for key in new])
        self._known.update(zip(new, readings, strict=True))
        return [self._known[key] for key in keys]

    def reads(self, question: str) -> bool:
        """Whether the reader can read a question."""
        return self._reader.reads(question)


def reopened(archive: qa.Archive, kind: type[qa.Archive] = qa.Archive, **changes: object) -> qa.Archive:
    """Open an archive once more, of another kind or under other settings; it shares the reader if it has the same."""
    settings = archive.settings.model_copy(update=changes)
    other = kind.open(archive.path, settings=settings)
    if settings.reader == archive.settings.reader:
        other.reader = archive.reader
    return other


def study(dataset: Dataset, settings: Settings, others: Sequence[Dataset], tell: Tell) -> Study:
    """Ask everything of one set.

    Args:
        dataset: The set; every question of it is asked.
        settings: Of the archive that is called ours.
        others: Sets some of whose questions are asked of this archive too; this one is passed over.
        tell: Called with what is being done.
    """
    with archive_of(dataset, settings) as ours, ExitStack() as stack:
        other, reader = (WITHOUT_READER, NO_READER) if ours.reader else (WITH_READER, BUNDLED_READER)
        archives = {OURS: ours, other: stack.enter_context(reopened(ours, reader=reader))}
        thresholds = {system: threshold(a, dataset.questions[0]) for system, a in archives.items()}
        for archive in archives.values():
            if archive.reader:
                archive.reader = RememberingReader(archive.reader)
        foreign = asked_elsewhere(others, dataset)
        runs: dict[str, Run] = {}
        always: dict[str, Run] = {}
        elsewhere: dict[str, Run] = {}
        for system, archive in archives.items():
            runs[system] = _ask(archive, dataset, "all", system, tell)
            refuse_off = stack.enter_context(reopened(archive, refuse=0.0))
            always[system] = _ask(refuse_off, dataset, "answers", f"{system}, never refusing", tell)
            if foreign.questions:
                what = f"{system}, questions of other sets"
                elsewhere[system] = _ask(archive, foreign, "answers", what, tell)
        orders = {system: _orders(run) for system, run in runs.items()}
        for name, changed in _ablations(ours, dataset, tell):
            orders[name] = orders[OURS] | _orders(changed)
            if changed[0].answer is not None:
                runs[name] = tuple(({o.id: o for o in runs[OURS]} | {o.id: o for o in changed}).values())
        tell("ranking by the baselines")
        relevant = {q.id: gold for q in dataset.questions if (gold := dataset.relevant(q))}
        orders |= rank_all(ours, [q for q in dataset.questions if q.id in relevant])  # type: ignore[arg-type]
        about = ours.describe()
    tell("summing up")
    return Study(
        dataset=dataset,
        model=str(about["model"]),
        articles=int(about["articles"]),
        passages=int(about["passages"]),
        other=other,
        orders=orders,
        ranked={name: metrics.ranking(found, relevant) for name, found in orders.items()},
        runs=runs,
        always=always,
        elsewhere=elsewhere,
        rows={system: {row.key: row for row in rows(run)} for system, run in runs.items()},
        thresholds=thresholds,
    )


def _ask(archive: qa.Archive, dataset: Dataset, part: Part, name: str, tell: Tell) -> Run:
    found: list[Outcome] = []
    for outcome in examine(archive, dataset, part):
        if len(found) % PROGRESS_EVERY == 0:
            tell(f"{name}: {len(found)} of {len(dataset.questions)} questions asked")
        found.append(outcome)
    return tuple(found)


def _orders(run: Iterable[Outcome]) -> Orders:
    return {o.id: o.ranking for o in run if o.ranking is not None}


def _ablations(archive: qa.Archive, dataset: Dataset, tell: Tell) -> Iterator[tuple[str, Run]]:
    """Yield, by the name of the part left out, what became of the questions that may need it.

    The scope is left out of the search alone.
    """

    def asked(name: str, system: qa.Archive, questions: Sequence[Question], part: Part) -> tuple[str, Run]:
        chosen = dataset.model_copy(update={"questions": tuple(questions)})
        return name, _ask(system, chosen, part, name, tell)

    if no_history := [q.model_copy(update={"history": ()}) for q in dataset.questions if q.history]:
        yield asked(NO_HISTORY, archive, no_history, "all")
    if naming := [q for q in dataset.questions if names_articles(archive, q)]:
        with reopened(archive, WithoutScope) as no_scope:
            yield asked(NO_SCOPE, no_scope, naming, "retrieval")
