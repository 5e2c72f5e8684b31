"""Readers from a folder: tiny cross-encoders and question-answering models are converted and used, others refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

import qa
from embeddings import ConversionError, ModelNotFound
from embeddings.reading.hub import HubReader
from embeddings.reading.load import load_reader

WORDS = (
    "ann bo lee led the delegation to geneva in may who mill burnt down when on 30 april 1900 a . ? :".split()
)
PASSAGES = ["Ann Lee led the delegation to Geneva in May.", "The mill burnt down on 30 April 1900.", ""]
TINY = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
    "max_position_embeddings": 66,
}  # fmt: skip


def save(folder, kind: str, **changes):
    """Writes a random BERT with its tokenizer, as transformers would publish it."""
    import torch
    import transformers

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64)
    torch.manual_seed(5)
    config = transformers.BertConfig(vocab_size=len(vocabulary), **TINY, **changes)
    model = getattr(transformers, f"BertFor{kind}")(config)
    for parameter in model.parameters():  # the usual start is so small that all scores are alike
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model.eval(), tokenizer


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def marking(tmp_path_factory, cache):
    folder = tmp_path_factory.mktemp("readers") / "marking"
    model, tokenizer = save(folder, "QuestionAnswering")
    return folder, model, tokenizer, load_reader(str(folder), cache)


def test_a_model_that_marks_answers_reads_as_the_original(marking):
    import torch

    _, model, tokenizer, reader = marking
    question = "Who led the delegation?"
    for passage, reading in zip(PASSAGES, reader.read(question, PASSAGES), strict=True):
        encoded = tokenizer(question, passage, return_tensors="pt", return_offsets_mapping=True)
        offsets = encoded.pop("offset_mapping")[0]
        with torch.no_grad():
            out = model(**encoded)
        ours = [i for i, s in enumerate(encoded.sequence_ids(0)) if s == 1]
        starts = (out.start_logits[0] - out.start_logits[0, 0])[ours].numpy()
        assert reading.offsets.tolist() == offsets[ours].tolist()
        assert np.allclose(reading.start_logits, starts, atol=0.15)
        if ours:
            assert reading.relevance_logit == reading.span_score
            assert passage[reading.start : reading.end]


def test_a_title_is_read_and_never_marked(marking):
    reader = marking[3]
    bare, titled = (reader.read("Who led?", [PASSAGES[0]], t)[0] for t in (None, ["The mill"]))
    assert titled.offsets.tolist() == bare.offsets.tolist()
    assert titled.relevance_logit != bare.relevance_logit
    with pytest.raises(ValueError, match="2 titles for 1 passages"):
        reader.read("Who?", ["Bo."], ["one", "two"])


def test_a_long_passage_is_read_to_its_end(marking):
    reader = marking[3]
    [reading] = reader.read("who? " * 200, ["The mill burnt down. " * 60 + "Bo Lee led."])
    assert reading.offsets[-1].tolist() == [
        len("The mill burnt down. " * 60 + "Bo Lee led"),
        len("The mill burnt down. " * 60) + 11,
    ]


def test_a_cross_encoder_scores_and_marks_nothing(tmp_path, cache):
    import torch

    model, tokenizer = save(tmp_path / "scoring", "SequenceClassification", num_labels=1)
    reader = load_reader(str(tmp_path / "scoring"), cache)
    readings = reader.read("Who led the delegation?", PASSAGES)
    for passage, reading in zip(PASSAGES, readings, strict=True):
        with torch.no_grad():
            expected = float(
                model(**tokenizer("Who led the delegation?", passage, return_tensors="pt")).logits[0, 0]
            )
        assert reading.relevance_logit == pytest.approx(expected, abs=0.15)
        assert reading.best is None
        assert reading.best_span(0, 40) is None


def test_what_was_converted_is_not_converted_again(marking, cache):
    told = []
    again = load_reader(str(marking[0]), cache, notify=told.append)
    assert isinstance(again, HubReader)
    assert told == []
    assert again.fingerprint == marking[3].fingerprint


def test_a_damaged_conversion_is_made_again(marking, cache):
    folder = next(
        p for p in (cache / "readers").iterdir() if json.loads((p / "reader.json").read_text())["marks"]
    )
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    told = []
    assert load_reader(str(marking[0]), cache, notify=told.append).read("who?", ["Bo Lee."])
    assert len(told) == 1


def test_what_is_no_reader_is_refused_in_a_sentence(tmp_path, cache, monkeypatch):
    save(tmp_path / "classes", "SequenceClassification", num_labels=3)
    with pytest.raises(ConversionError, match="BertForSequenceClassification"):
        load_reader(str(tmp_path / "classes"), cache)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelNotFound, match="holds no model"):
        load_reader(str(tmp_path / "empty"), cache)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelNotFound, match="no such model could be fetched"):
        load_reader("nobody/no-such-reader", cache)


def test_an_archive_asks_with_it(marking, settings, cache, tmp_path):
    changed = settings.model_copy(update={"reader": str(marking[0]), "cache_dir": cache, "refuse": 0.0})
    with qa.Archive.create(tmp_path / "a", settings=changed) as archive:
        archive.add(
            [
                qa.Article(id="lee", title="Lee", text=PASSAGES[0]),
                qa.Article(id="mill", title="Mill", text=PASSAGES[1]),
            ]
        )
        answer = archive.ask("Who led the delegation to Geneva?")
        assert [h.article_id for h in archive.search("Who led the delegation?", k=2)]
        plain = qa.Archive.open(archive.path, settings=changed.model_copy(update={"reader": None}))
        assert answer.confidence == plain.ask("Who led the delegation to Geneva?").confidence
        plain.close()
    assert answer.citations[0].quote == PASSAGES[0]
    [read] = marking[3].read("Who led the delegation to Geneva?", [PASSAGES[0]], ["Lee"])
    assert answer.citations[0].answer == PASSAGES[0][read.start : read.end]
