"""What the program says in its own words, in the language of the question."""

from __future__ import annotations

import re
from typing import NamedTuple

from qa.types import Coverage, Occurrences

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_LETTER = re.compile(r"[^\W\d_]")
_KANA_OR_HANGUL = re.compile(r"[\u3040-\u30ff\uac00-\ud7af]")


class Words(NamedTuple):
    """Sentences in one language; those in braces are filled in."""

    silent: str
    silent_on: str
    no_match: str
    empty: str
    nothing_alike: str
    unknown_words: str
    nothing_about: str
    near: str
    closest: str
    field: str
    no_field: str
    fields: dict[str, str]
    differ: str
    mentioned: str
    once: str
    times: str
    published: str
    holds: str
    holds_filtered: str
    one: str
    many: str
    dated: str
    undated: str
    without_dates: str

    def coverage(self, coverage: Coverage, *, filtered: bool = False) -> str:
        """Say how many articles there are and when they were published; nothing where there are none.

        Args:
            coverage: What there is.
            filtered: Whether that is only what the filters leave.
        """
        if not coverage.articles:
            return ""
        holds = self.holds_filtered if filtered else self.holds
        count = self._articles(coverage.articles)
        if not (coverage.first and coverage.last):
            return holds.format(count=count, dates=self.without_dates)
        dates = self.dated.format(first=coverage.first, last=coverage.last)
        if coverage.undated:
            dates += self.undated.format(n=f"{coverage.undated:,}")
        return holds.format(count=count, dates=dates)

    def mentions(self, found: Occurrences) -> str:
        """Say how often a term is mentioned, and in how many articles."""
        times = self.once if len(found) == 1 else self.times.format(n=f"{len(found):,}")
        return self.mentioned.format(term=found.term, times=times, articles=self._articles(found.articles))

    def _articles(self, n: int) -> str:
        return (self.one if n == 1 else self.many).format(n=f"{n:,}")


ENGLISH = Words(
    silent="The archive does not say.",
    silent_on="The archive does not say: {question}",
    no_match="No article matches the filters.",
    empty="The archive is empty.",
    nothing_alike="No passage resembles the question.",
    unknown_words="Most of the question's words appear nowhere in the archive.",
    nothing_about="No article is about this.",
    near="Articles come near the subject, but no sentence states what is asked.",
    closest="Closest match (not an answer)",
    field="The {label} of “{title}” is {value}.",
    no_field="“{title}” states no {label}.",
    fields={"published": "publication date", "author": "author", "source": "source", "section": "section"},
    differ="The articles differ.",
    mentioned="“{term}” is mentioned {times} in {articles}.",
    once="once",
    times="{n} times",
    published="(published {day})",
    holds="It holds {count}{dates}.",
    holds_filtered="With these filters it holds {count}{dates}.",
    one="{n} article",
    many="{n} articles",
    dated=", published from {first} to {last}",
    undated=" ({n} undated)",
    without_dates=" without dates",
)
CHINESE = Words(
    silent="档案中没有相关说明。",
    silent_on="档案中没有说明：{question}",
    no_match="没有符合筛选条件的文章。",
    empty="档案是空的。",
    nothing_alike="没有与问题相近的段落。",
    unknown_words="问题中的大部分词语在档案中都没有出现。",
    nothing_about="没有文章谈到这个内容。",
    near="有文章接近这一主题，但没有句子说明所问的内容。",
    closest="最接近的段落（并非回答）",
    field="《{title}》的{label}是{value}。",
    no_field="《{title}》没有注明{label}。",
    fields={"published": "发布日期", "author": "作者", "source": "来源", "section": "栏目"},
    differ="各篇文章说法不一。",
    mentioned="{articles}提到“{term}”，共{times}。",
    once="1处",
    times="{n}处",
    published="（发布于{day}）",
    holds="档案共有{count}{dates}。",
    holds_filtered="按当前筛选，档案共有{count}{dates}。",
    one="{n}篇文章",
    many="{n}篇文章",
    dated="，发布于{first}至{last}之间",
    undated="（其中{n}篇没有日期）",
    without_dates="，均没有日期",
)


def words_for(question: str) -> Words:
    """Return the words in the question's language: Chinese where Han characters lead, else English."""
    han = len(_HAN.findall(question))
    chinese = 2 * han > len(_LETTER.findall(question)) and not _KANA_OR_HANGUL.search(question)
    return CHINESE if chinese else ENGLISH
