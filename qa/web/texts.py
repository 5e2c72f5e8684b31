"""The page's own words in English and Chinese, by the browser's language."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

from qa.types import Coverage

_MONTHS = "January February March April May June July August September October November December".split()


class Texts(NamedTuple):
    """Sentences in one language; those in braces are filled in."""

    lang: str
    title: str
    lead: str
    question: str
    placeholder: str
    ask: str
    stop: str
    reading: str
    stopped: str
    nothing: str
    lost: str
    busy: str
    try_asking: str
    ask_next: str
    new: str
    conversation: str
    you_asked: str
    filters: str
    after: str
    before: str
    source: str
    day_hint: str
    apply: str
    clear: str
    follow_up: str
    understood: str
    edit: str
    remove: str
    all_dates: str
    left_out: str
    left_out_one: str
    not_within: str
    not_from: str
    answer: str
    sources: str
    source_n: str
    unused: str
    unused_one: str
    open: str
    original: str
    also: str
    also_one: str
    also_first: str
    record: str
    latest: str
    earlier: str
    copy: str
    copied: str
    link: str
    link_copied: str
    evidence: str
    every: str
    every_of: str
    translated: str
    add: str
    feedback: str
    feedback_is: str
    feedback_good: str
    feedback_bad: str
    feedback_article: str
    feedback_quote: str
    feedback_consent: str
    feedback_send: str
    feedback_kept: str
    retry: str
    rephrase: str
    untitled: str
    undated: str
    unnamed: str
    article: str
    articles: str
    n_undated: str
    by_month: str
    by_year: str
    by_summary: str
    narrow: str
    widen: str
    since: str
    until: str
    fields: dict[str, str]
    back: str
    home: str
    previous: str
    next: str
    mention: str
    mentions: str
    changed: str
    language: str
    original_page: str
    missing: str
    missing_hint: str
    unreadable: str

    def day(self, value: date) -> str:
        """Write a date in full: ``11 September 2023``, ``2023年9月11日``."""
        if self.lang != "en":
            return f"{value.year}年{value.month}月{value.day}日"
        return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"

    def month(self, year: int, month: int) -> str:
        """Write a month: ``September 2023``, ``2023年9月``."""
        return f"{_MONTHS[month - 1]} {year}" if self.lang == "en" else f"{year}年{month}月"

    def period(self, after: date | None, before: date | None) -> str:
        """Write a period as short as it can be: a year, a month, a day, or its ends."""
        if after is None or before is None:
            edge = after or before
            form = self.since if after else self.until
            return form.format(day=self.day(edge)) if edge else self.all_dates
        next_day = before + timedelta(days=1) if before < date.max else before
        if after == before:
            return self.day(after)
        if after.day == 1 and next_day.day == 1:
            if (after.month, next_day.month, next_day.year) == (1, 1, after.year + 1):
                return str(after.year) if self.lang == "en" else f"{after.year}年"
            first, last = self.month(after.year, after.month), self.month(before.year, before.month)
            return first if first == last else f"{first} – {last}"
        return f"{self.day(after)} – {self.day(before)}"

    def coverage(self, coverage: Coverage) -> str:
        """Say what an archive holds: ``5 articles, 26 May 2022 – 28 February 2024, 1 undated``."""
        count = self.article if coverage.articles == 1 else self.articles
        parts = [count.format(n=f"{coverage.articles:,}")]
        if coverage.first and coverage.last:
            same = coverage.first == coverage.last
            first, last = self.day(coverage.first), self.day(coverage.last)
            parts.append(first if same else f"{first} – {last}")
        if coverage.undated:
            parts.append(self.n_undated.format(n=f"{coverage.undated:,}"))
        return self.joined(parts)

    def joined(self, parts: Iterable[str]) -> str:
        """Put commas between parts of a sentence."""
        return (", " if self.lang == "en" else "，").join(parts)


ENGLISH = Texts(
    lang="en",
    title="Ask the archive",
    lead="Answers are quotes from the articles, each with its source, or an honest “the archive does not say”.",
    question="Your question",
    placeholder="Who, what, when, where …",
    ask="Ask",
    stop="Stop",
    reading="Reading the articles …",
    stopped="Stopped before there was an answer.",
    nothing="Type a question, or pick one of the examples.",
    lost="The server could not answer that. Try again; if it happens again, its log says why.",
    busy="Many people are asking at once. Ask again in a moment.",
    try_asking="Try asking",
    ask_next="Ask next",
    new="New conversation",
    conversation="Conversation",
    you_asked="You asked:",
    filters="Filters",
    after="Published on or after",
    before="Published on or before",
    source="Source",
    day_hint="2023, 2023-09 or 2023-09-11",
    apply="Ask with this",
    clear="Clear",
    follow_up="Follows “{subject}”",
    understood="Question as understood",
    edit="Edit: {what}",
    remove="Remove: {what}",
    all_dates="all dates",
    left_out="leaves out {n} undated articles",
    left_out_one="leaves out 1 undated article",
    not_within="No answer was published in that time ({period}). This one is from all dates.",
    not_from="No answer was found in {sources}. This one is from all sources.",
    answer="Answer",
    sources="Sources",
    source_n="Source {n}: {title}",
    unused="{n} passages found but not used",
    unused_one="1 passage found but not used",
    open="Open in article",
    original="original",
    also="also in {n} others",
    also_one="also in 1 other",
    also_first=", first published {day}",
    record="From the article’s record",
    latest="Latest",
    earlier="Earlier",
    copy="Copy with citations",
    copied="Copied",
    link="Copy link",
    link_copied="Link copied",
    evidence="Evidence pack",
    every="Every mention of a word",
    every_of="Every mention of “{term}”",
    translated="machine-translated",
    add="Add articles",
    feedback="Feedback",
    feedback_is="This answer is",
    feedback_good="right",
    feedback_bad="wrong or incomplete",
    feedback_article="The right article: its address here, or its id (optional)",
    feedback_quote="Its words that answer (optional)",
    feedback_consent="I agree that my question, this conversation and this feedback are kept with the "
    "archive, without my name, to measure and improve its answers.",
    feedback_send="Send",
    feedback_kept="Kept. Thank you.",
    retry="Ask again",
    rephrase="Edit question",
    untitled="Untitled article",
    undated="undated",
    unnamed="not named",
    article="1 article",
    articles="{n} articles",
    n_undated="{n} undated",
    by_month="Articles near this question, by month",
    by_year="Articles near this question, by year",
    by_summary="{n} articles between {first} and {last}; most in {peak} ({most}).",
    narrow="{period}: {count}. Narrow to it.",
    widen="{period}: {count}. Back to all dates.",
    since="since {day}",
    until="until {day}",
    fields={"published": "Published", "author": "Author", "source": "Source", "section": "Section"},
    back="Back to the question",
    home="Ask the archive",
    previous="Previous mention",
    next="Next mention",
    mention="{i} of {n}",
    mentions="Mentions of “{term}”",
    changed="This article has changed since it was quoted, so the quote is not marked. "
    "Ask again to find it in the present text.",
    language="language: {lang}",
    original_page="The original page",
    missing="No such article",
    missing_hint="The archive holds no article at this address.",
    unreadable="The archive cannot be read",
)
CHINESE = Texts(
    lang="zh-Hans",
    title="问档案",
    lead="回答都是文章原文的引语，逐条注明出处；没有依据时如实说明“档案中没有”。",
    question="您的问题",
    placeholder="谁、什么、何时、何地……",
    ask="提问",
    stop="停止",
    reading="正在阅读文章……",
    stopped="已停止，尚未得到回答。",
    nothing="请输入问题，或选择一个示例。",
    lost="服务器未能回答。请重试；若再次出现，请查看服务器日志。",
    busy="现在提问的人较多，请稍后再试。",
    try_asking="可以这样问",
    ask_next="接着问",
    new="新对话",
    conversation="对话",
    you_asked="您的提问：",
    filters="筛选",
    after="发布日期不早于",
    before="发布日期不晚于",
    source="来源",
    day_hint="2023、2023-09 或 2023-09-11",
    apply="按此提问",
    clear="清除",
    follow_up="接续“{subject}”",
    understood="理解后的问题",
    edit="修改：{what}",
    remove="去掉：{what}",
    all_dates="全部日期",
    left_out="不含 {n} 篇无日期文章",
    left_out_one="不含 1 篇无日期文章",
    not_within="这段时间（{period}）发布的文章没有答案，以下回答来自全部日期。",
    not_from="{sources} 的文章没有答案，以下回答来自全部来源。",
    answer="回答",
    sources="出处",
    source_n="出处 {n}：{title}",
    unused="另有 {n} 个段落未采用",
    unused_one="另有 1 个段落未采用",
    open="在文章中查看",
    original="原文网页",
    also="另见于 {n} 篇",
    also_one="另见于 1 篇",
    also_first="，最早发布于{day}",
    record="出自文章的著录信息",
    latest="最新",
    earlier="此前",
    copy="复制回答与出处",
    copied="已复制",
    link="复制链接",
    link_copied="链接已复制",
    evidence="存证文件",
    every="逐条列出提及之处",
    every_of="“{term}”的全部提及之处",
    translated="机器翻译",
    add="添加文章",
    feedback="反馈",
    feedback_is="这个回答",
    feedback_good="正确",
    feedback_bad="有误或不完整",
    feedback_article="正确的文章：本站网址或编号（可不填）",
    feedback_quote="文中作答的原句（可不填）",
    feedback_consent="我同意将我的问题、本次对话和这条反馈（不含姓名）与档案一同保存，用于评测和改进回答。",
    feedback_send="提交",
    feedback_kept="已保存，谢谢。",
    retry="重新提问",
    rephrase="修改问题",
    untitled="无标题文章",
    undated="无日期",
    unnamed="未注明",
    article="1 篇文章",
    articles="{n} 篇文章",
    n_undated="{n} 篇无日期",
    by_month="与问题相近的文章（按月）",
    by_year="与问题相近的文章（按年）",
    by_summary="{first}至{last}共 {n} 篇，{peak}最多（{most} 篇）。",
    narrow="{period}：{count}。只看这段时间。",
    widen="{period}：{count}。恢复全部日期。",
    since="{day}以来",
    until="截至{day}",
    fields={"published": "发布日期", "author": "作者", "source": "来源", "section": "栏目"},
    back="返回问题",
    home="问档案",
    previous="上一处",
    next="下一处",
    mention="第 {i} 处，共 {n} 处",
    mentions="文中提到“{term}”之处",
    changed="文章在引用之后有改动，因此没有标出引语。请重新提问，在现有文本中查找。",
    language="语言：{lang}",
    original_page="原文网页",
    missing="没有这篇文章",
    missing_hint="档案中没有这个地址的文章。",
    unreadable="无法读取档案",
)


def texts_for(accepted: str | None) -> Texts:
    """Return the texts for an ``Accept-Language`` header: Chinese where it outranks English."""
    ranked = []
    for order, entry in enumerate((accepted or "").split(",")[:20]):
        tag, _, weight = entry.strip().partition(";")
        quality = re.fullmatch(r"\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*", weight)
        ranked.append(
            (-float(quality[1]) if quality else -float(not weight), order, tag.split("-")[0].casefold())
        )
    known = [name for quality, _, name in sorted(ranked) if name in ("zh", "en") and quality < 0]
    return CHINESE if known[:1] == ["zh"] else ENGLISH


def script_texts(texts: Texts) -> dict[str, str]:
    """Return the words that the page's script says itself."""
    names = ("reading", "stopped", "nothing", "lost", "busy", "copied", "link_copied")
    return {name: getattr(texts, name) for name in names}
