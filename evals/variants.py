"""``python -m evals.variants``: the seed questions in other words than the articles', without and with a glossary."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import click

from evals.archives import archive_of
from evals.dataset import Dataset, Question
from evals.outcomes import Outcome, examine
from qa.archive import Archive
from qa.query.glossary import Glossary
from qa.settings import Settings

GLOSSARY = """\
procuratorate = prosecutor's office
procuratorial = prosecutorial
public interest litigation = public benefit lawsuit
party leadership group = party leading body
Lu Yueping = Yueping Lu
Lin'an = Lingan
"""
METRICS = ("hit@1", "nDCG@10", "right article", "contained answer")


class _With:
    """An archive as if it had another glossary."""

    def __init__(self, archive: Archive, glossary: Glossary) -> None:
        self._archive, self._glossary = archive, glossary

    def __getattr__(self, name: str) -> Any:
        self._archive.glossary = lambda: self._glossary  # type: ignore[method-assign]
        return getattr(self._archive, name)


def reworded(questions: Sequence[Question], glossary: Glossary) -> tuple[Question, ...]:
    """Return the questions that have a term of the archive's own, with the first other term in its place."""
    away = Glossary.parse("\n".join(" = ".join(reversed(group.terms[:2])) for group in glossary.groups))
    changed = [q.model_copy(update={"question": away.rewrite(q.question)}) for q in questions]
    return tuple(new for new, old in zip(changed, questions, strict=True) if new.question != old.question)


def main() -> None:
    """Ask the seed questions three ways and print what came of it."""
    dataset = Dataset.load()
    glossary = Glossary.parse(GLOSSARY)
    other = dataset.model_copy(update={"questions": reworded(dataset.questions, glossary)})
    ids = {q.id for q in other.questions}
    same = dataset.model_copy(update={"questions": tuple(q for q in dataset.questions if q.id in ids)})
    with archive_of(dataset, Settings.from_environ()) as archive:
        for name, asked, used in (
            ("the articles' words, no glossary", same, Glossary()),
            ("the articles' words, glossary", same, glossary),
            ("other words, no glossary", other, Glossary()),
            ("other words, glossary", other, glossary),
        ):
            outcomes = list(examine(_With(archive, used), asked))
            click.echo(f"{name:<34}{len(outcomes):>4} questions  {_figures(outcomes)}")


def _figures(outcomes: Sequence[Outcome]) -> str:
    parts = []
    for metric in METRICS:
        values = [o.scores[metric] for o in outcomes if metric in o.scores]
        parts.append(f"{metric} {statistics.mean(values):.3f}" if values else f"{metric} –")
    refused = [bool(o.abstained) for o in outcomes if o.answerable and o.judged]
    return "  ".join([*parts, f"refused though there {statistics.mean(refused):.3f}"])


if __name__ == "__main__":
    main()
