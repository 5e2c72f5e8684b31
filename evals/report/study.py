"""The study of one set: everything that is asked of its archive, whole and with a part left out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import qa
from embeddings.types import BUNDLED_READER
from evals import metrics
from evals.archives import archive_of
from evals.baselines import rank_all
from evals.dataset import Dataset, Question
from evals.outcomes import Outcome, Part, examine
from evals.report.ablations import (
    RememberingReader,
    WithoutHeaders,
    WithoutScope,
    names_articles,
    reopened,
)
from evals.report.sets import asked_elsewhere
from evals.report.stages import time_stages
from evals.rows import Row, rows
from qa.answering import weights
from qa.settings import NO_READER, Settings

OURS, WITH_READER, WITHOUT_READER = "ours", "with the reader", "no reader"
NO_HEADER, NO_HISTORY, NO_MENTIONS = "no header", "no history", "no mentions"
TIMED = 30
"""Questions of a set whose stages are timed."""
TOLD_EACH = 250
"""Questions after which progress is told."""

Run = tuple[Outcome, ...]
Orders = dict[str, Sequence[str]]


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
        stages: of ours and ``other`` → stage → milliseconds, one for each question timed.
        thresholds: of the same two, the confidence below which they refuse.
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
    stages: Mapping[str, Mapping[str, Sequence[float]]]
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


def study(
    dataset: Dataset, settings: Settings, others: Sequence[Dataset], tell: Callable[[str], None]
) -> Study:
    """Ask everything of one set.

    Args:
        dataset: The set; every question of it is asked.
        settings: Of the archive that is called ours.
        others: Sets some of whose questions are asked of this archive too; this one is passed over.
        tell: Told what is being done.
    """
    with archive_of(dataset, settings) as ours, ExitStack() as stack:
        has_reader = ours.reader is not None
        other = WITHOUT_READER if has_reader else WITH_READER
        archives = {
            OURS: ours,
            other: stack.enter_context(reopened(ours, reader=NO_READER if has_reader else BUNDLED_READER)),
        }
        timed = dataset.limited(TIMED).questions
        stages, thresholds = {}, {}
        for system, archive in archives.items():
            tell(f"timing {len(timed)} questions, {system}")
            stages[system] = time_stages(archive, timed)
            thresholds[system] = _threshold(archive, timed[0])
            if archive.reader:
                archive.reader = RememberingReader(archive.reader)
        foreign = asked_elsewhere(others, dataset)
        runs: dict[str, Run] = {}
        always: dict[str, Run] = {}
        elsewhere: dict[str, Run] = {}
        for system, archive in archives.items():
            runs[system] = _ask(archive, dataset, "all", system, tell)
            willing = stack.enter_context(reopened(archive, refuse=0.0))
            always[system] = _ask(willing, dataset, "answers", f"{system}, never refusing", tell)
            if foreign.questions:
                of_others = f"{system}, questions of other sets"
                elsewhere[system] = _ask(archive, foreign, "answers", of_others, tell)
        orders = {system: _orders(run) for system, run in runs.items()}
        for name, changed in _ablations(ours, dataset, tell):
            orders[name] = orders[OURS] | _orders(changed)
            if changed[0].answer is not None:
                kept = {o.id: o for o in runs[OURS]}
                runs[name] = tuple((kept | {o.id: o for o in changed}).values())
        tell("ranking by the baselines")
        relevant = {q.id: gold for q in dataset.questions if (gold := dataset.relevant(q))}
        baselines = rank_all(ours, [q for q in dataset.questions if q.id in relevant])
        orders |= {name: dict(found) for name, found in baselines.items()}
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
        stages=stages,
        thresholds=thresholds,
    )


def _threshold(archive: qa.Archive, question: Question) -> float:
    """Return the confidence below which questions in the language of this one are refused."""
    if archive.settings.refuse is not None:
        return archive.settings.refuse
    return weights.of(archive.reader_for(question.question), archive.encoder).refuse


def _ask(archive: qa.Archive, dataset: Dataset, part: Part, name: str, tell: Callable[[str], None]) -> Run:
    found: list[Outcome] = []
    for outcome in examine(archive, dataset, part):
        if len(found) % TOLD_EACH == 0:
            tell(f"{name}: {len(found)} of {len(dataset.questions)} questions asked")
        found.append(outcome)
    return tuple(found)


def _orders(run: Iterable[Outcome]) -> Orders:
    return {o.id: o.ranking for o in run if o.ranking is not None}


def _ablations(
    archive: qa.Archive, dataset: Dataset, tell: Callable[[str], None]
) -> Iterator[tuple[str, Run]]:
    """Yield, by the name of the part left out, what became of the questions that may need it.

    What bears on the search alone is left out of the search alone.
    """

    def left(name: str, system: qa.Archive, questions: Sequence[Question], part: Part) -> tuple[str, Run]:
        chosen = dataset.model_copy(update={"questions": tuple(questions)})
        return name, _ask(system, chosen, part, name, tell)

    with (
        tempfile.TemporaryDirectory(prefix="evals-") as folder,
        WithoutHeaders.of(archive, Path(folder)) as bare,
    ):
        yield left(NO_HEADER, bare, dataset.questions, "retrieval")
    if told := [q.model_copy(update={"history": ()}) for q in dataset.questions if q.history]:
        yield left(NO_HISTORY, archive, told, "all")
    if naming := [q for q in dataset.questions if names_articles(archive, q)]:
        with WithoutScope.of(archive) as deaf:
            yield left(NO_MENTIONS, deaf, naming, "retrieval")
