"""The words of the pages beside the conversation, in English and Chinese: by :attr:`Texts.lang`."""

from __future__ import annotations

from typing import NamedTuple


class MentionsTexts(NamedTuple):
    """The page of every mention; what is in braces is filled in."""

    title: str
    title_of: str
    field: str
    submit: str
    exact: str
    only: str
    from_day: str
    to_day: str
    everything: str
    none: str
    many: str
    one: str
    one_article: str
    articles: str
    looked: str
    shown: str
    download: str
    defused: str
    region: str
    heads: dict[str, str]
    sentence: str
    in_title: str
    pages: str
    page: str
    previous: str
    next: str


class AddingTexts(NamedTuple):
    """The page where articles are added."""

    title: str
    files: str
    paste: str
    text: str
    fields: dict[str, str]
    note: str
    add: str
    reading: str
    progress: str
    counts: dict[str, str]
    nothing: str
    skipped: str
    and_more: str
    more: str


class EvidenceTexts(NamedTuple):
    """The evidence pack."""

    kind: str
    title: str
    answer: str
    in_full: str
    record: str
    only: str
    after: str
    before: str
    source: str
    understood: str
    place: str
    article: str
    id: str
    sha256: str
    made: str
    program: str
    archive: str
    generation: str
    model: str
    fingerprint: str
    reader: str
    no_reader: str
    confidence: str
    verbatim: str


MENTIONS = {
    "en": MentionsTexts(
        title="Every mention",
        title_of="Every mention of {term}",
        field="A word, a name or a phrase",
        submit="List",
        exact="exactly as written (else “prosecutors” counts as “prosecutor”)",
        only="Only {what}.",
        from_day="from {day}",
        to_day="to {day}",
        everything="Look through everything",
        none="No mention.",
        many="{n} mentions in {articles}.",
        one="1 mention in 1 article.",
        one_article="1 article",
        articles="{n} articles",
        looked="Looked through: {what}.",
        shown="Shown: {first} to {last}.",
        download="Download:",
        defused="In the CSV, a cell that begins with = + - @ has a ' before it, so that no spreadsheet runs it; "
        "the JSON has it as it is.",
        region="Mentions",
        heads={"date": "Published", "source": "Source", "title": "Article"},
        sentence="Sentence",
        in_title="in the title",
        pages="Pages",
        page="Page {n} of {last}",
        previous="Previous",
        next="Next",
    ),
    "zh-Hans": MentionsTexts(
        title="逐条列出提及之处",
        title_of="“{term}”的全部提及之处",
        field="词语、名称或短语",
        submit="列出",
        exact="完全按原样（否则英文“prosecutors”也算作“prosecutor”）",
        only="仅限：{what}。",
        from_day="{day}起",
        to_day="截至{day}",
        everything="查找全部文章",
        none="没有提及。",
        many="{articles}，共 {n} 处提及。",
        one="1 篇文章，共 1 处提及。",
        one_article="1 篇文章",
        articles="{n} 篇文章",
        looked="查找范围：{what}。",
        shown="显示第 {first} 至 {last} 处。",
        download="下载：",
        defused="CSV 中以 = + - @ 开头的单元格前加有 '，以免被表格软件当作公式运行；JSON 保持原样。",
        region="提及之处",
        heads={"date": "发布日期", "source": "来源", "title": "文章"},
        sentence="原句",
        in_title="见于标题",
        pages="分页",
        page="第 {n} 页，共 {last} 页",
        previous="上一页",
        next="下一页",
    ),
}
ADDING = {
    "en": AddingTexts(
        title="Add articles",
        files="Files: text, web pages, PDF, DOCX, JSON Lines, CSV, ZIP of these; {most} MiB at once",
        paste="Or paste a text",
        text="Text",
        fields={
            "title": "Title",
            "source": "Source",
            "published": "Date, such as 2023-09-11",
            "url": "Web address",
        },
        note="Everyone who can ask can read what you add. A file with the name of one that is there takes its place.",
        add="Add",
        reading="Reading …",
        progress="{stored} articles stored, {skipped} skipped …",
        counts={
            "added": "{n} added",
            "updated": "{n} updated",
            "unchanged": "{n} unchanged",
            "duplicates": "{n} there already under another name",
            "skipped": "{n} skipped",
        },
        nothing="Nothing to add was found",
        skipped="Skipped:",
        and_more="and {n} more",
        more="Add more",
    ),
    "zh-Hans": AddingTexts(
        title="添加文章",
        files="文件：文本、网页、PDF、DOCX、JSON Lines、CSV，或这些文件的 ZIP；每次不超过 {most} MiB",
        paste="或粘贴文本",
        text="正文",
        fields={"title": "标题", "source": "来源", "published": "日期，如 2023-09-11", "url": "网址"},
        note="凡能提问的人都能读到您添加的内容。与已有文件同名的文件会取代原文件。",
        add="添加",
        reading="正在读取……",
        progress="已存入 {stored} 篇文章，跳过 {skipped} 项……",
        counts={
            "added": "新增 {n} 篇",
            "updated": "更新 {n} 篇",
            "unchanged": "未变 {n} 篇",
            "duplicates": "已以其他名称收录 {n} 篇",
            "skipped": "跳过 {n} 项",
        },
        nothing="没有找到可添加的内容",
        skipped="跳过的内容：",
        and_more="另有 {n} 项",
        more="继续添加",
    ),
}
EVIDENCE = {
    "en": EvidenceTexts(
        kind="Evidence pack",
        title="Evidence: {question}",
        answer="Answer",
        in_full="The articles in full",
        record="Record",
        only="Only articles {what}.",
        after="published on or after {day}",
        before="published on or before {day}",
        source="from {source}",
        understood="Understood as: {question}",
        place="Characters {start} to {end} of {article}, SHA-256 of its text {hash}",
        article="article {n}",
        id="Id",
        sha256="SHA-256 of the text",
        made="Made",
        program="Program",
        archive="Archive",
        generation="generation {n}; {what} looked through",
        model="Embedding model",
        fingerprint="fingerprint {hash}",
        reader="Reader",
        no_reader="none",
        confidence="Confidence",
        verbatim="Every quote is verbatim from the article named. A checksum is the SHA-256 of the article’s text in "
        "UTF-8, as it stands above; another checksum means another text.",
    ),
    "zh-Hans": EvidenceTexts(
        kind="存证文件",
        title="存证：{question}",
        answer="回答",
        in_full="文章全文",
        record="记录",
        only="仅限文章：{what}。",
        after="发布日期不早于 {day}",
        before="发布日期不晚于 {day}",
        source="来自 {source}",
        understood="理解为：{question}",
        place="{article} 第 {start} 至 {end} 个字符，其正文的 SHA-256 为 {hash}",
        article="文章 {n}",
        id="编号",
        sha256="正文的 SHA-256",
        made="生成时间",
        program="程序",
        archive="档案",
        generation="第 {n} 代；查找范围：{what}",
        model="嵌入模型",
        fingerprint="指纹 {hash}",
        reader="阅读模型",
        no_reader="无",
        confidence="置信度",
        verbatim="每条引语均逐字出自所注明的文章。校验值是上文所载文章正文（UTF-8）的 SHA-256；"
        "校验值不同，正文即不同。",
    ),
}
