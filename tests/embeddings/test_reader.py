"""The reader's runtime on a tiny random network."""

import hashlib
import json
import math
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from embeddings.errors import ModelDamaged, ModelNotFound
from embeddings.reading.graph import pack, unfolded
from embeddings.reading.inputs import (
    PASSAGE,
    PASSAGE_SHARED,
    QUESTION,
    QUESTION_SHARED,
    TYPE_COUNT,
    PairEncoder,
)
from embeddings.reading.reader import BUNDLED, MANIFEST, WEIGHTS, Reader
from embeddings.reading.reading import Reading

WIDTH, INNER, LAYERS, HEADS, MAX_TOKENS = 16, 32, 2, 2, 320
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
WORDS = ["who", "won", "the", "cup", "lee", "ann", "北", "京", "|", "?", ".", ",", "é"]
CITY = "🏆 Ann Lee 北京 won the cup. Café 🇨🇳 naïve — déjà vu 👩‍👩‍👧 end."


def tiny_tokenizer():
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *LETTERS, *("##" + c for c in LETTERS)]
    tokenizer = Tokenizer(WordPiece({w: i for i, w in enumerate(vocab)}, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


def tiny_weights(vocabulary, seed=0):
    rng = np.random.default_rng(seed)
    shapes = {
        "encoder.embeddings.word_embeddings.weight": (vocabulary, WIDTH),
        "encoder.embeddings.position_embeddings.weight": (512, WIDTH),
        "encoder.embeddings.token_type_embeddings.weight": (TYPE_COUNT, WIDTH),
        "span.weight": (2, WIDTH),
        "span.bias": (2,),
        "pool.weight": (WIDTH, 2 * WIDTH),
        "pool.bias": (WIDTH,),
        "relevance.weight": (1, WIDTH),
        "relevance.bias": (1,),
    }
    norms = ["encoder.embeddings.LayerNorm"]
    for layer in range(LAYERS):
        name = f"encoder.encoder.layer.{layer}"
        for part in ("attention.self.query", "attention.self.key", "attention.self.value"):
            shapes |= {f"{name}.{part}.weight": (WIDTH, WIDTH), f"{name}.{part}.bias": (WIDTH,)}
        shapes |= {
            f"{name}.attention.output.dense.weight": (WIDTH, WIDTH),
            f"{name}.attention.output.dense.bias": (WIDTH,),
            f"{name}.intermediate.dense.weight": (INNER, WIDTH),
            f"{name}.intermediate.dense.bias": (INNER,),
            f"{name}.output.dense.weight": (WIDTH, INNER),
            f"{name}.output.dense.bias": (WIDTH,),
        }
        norms += [f"{name}.attention.output.LayerNorm", f"{name}.output.LayerNorm"]
    weights = {n: rng.normal(0, 0.5, s).astype(np.float32) for n, s in shapes.items()}
    for name in norms:
        weights |= {f"{name}.weight": np.ones(WIDTH, np.float32), f"{name}.bias": np.zeros(WIDTH, np.float32)}
    return weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("reader")
    tokenizer = tiny_tokenizer()
    contents = {
        WEIGHTS: save(pack(tiny_weights(tokenizer.get_vocab_size()))),
        "tokenizer.json": tokenizer.to_str().encode(),
    }
    for name, content in contents.items():
        (path / name).write_bytes(content)
    config = {"layers": LAYERS, "heads": HEADS, "epsilon": 1e-12, "max_tokens": MAX_TOKENS}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    (path / MANIFEST).write_text(json.dumps({"format": 1, "config": config, "sha256": sums}))
    return path


@pytest.fixture(scope="module")
def reader(folder):
    return Reader.load(folder, threads=1)


def copied(folder, target):
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def reading_of(starts, ends, offsets):
    return Reading(0.0, np.array(offsets, np.int32), np.array(starts, np.float32), np.array(ends, np.float32))


def test_offsets_are_exact_code_points_in_text_with_emoji_and_chinese():
    tokens = PairEncoder(tiny_tokenizer()).tokens(CITY)
    pieces = [CITY[a:b] for a, b in tokens.offsets]
    assert pieces[:9] == ["🏆", "Ann", "Lee", "北", "京", "won", "the", "cup", "."]
    assert [*"Café", "🇨🇳", *"naïve", "—", *"déjàvu", "👩‍👩‍👧", *"end", "."] == pieces[9:]


def test_the_marked_span_lies_in_the_passage_and_never_in_the_title(reader):
    (reading,) = reader.read("who won the cup?", [CITY], ["a title with the cup"])
    assert 0 <= reading.start < reading.end <= len(CITY)
    assert {reading.start, reading.end} <= set(reading.offsets.ravel().tolist())


def test_a_lone_surrogate_moves_no_offset(reader):
    (reading,) = reader.read("who\ud800?", ["ann \ud83d lee"])
    assert reading.offsets[-1].tolist() == [6, 9]


def test_no_passages_give_no_readings(reader):
    assert reader.read("who?", []) == []


def test_a_passage_without_words_has_a_relevance_and_no_span(reader):
    for empty in ("", " \n "):
        (reading,) = reader.read("who?", [empty])
        assert math.isfinite(reading.relevance_logit)
        assert (reading.start, reading.end, reading.span_score) == (None, None, -math.inf)


def test_reading_twice_gives_the_same(reader):
    texts = [CITY, "the cup", "lee " * 40, ""]
    once, again = (reader.read("who won the cup?", texts) for _ in range(2))
    assert [r.relevance_logit for r in once] == [r.relevance_logit for r in again]
    assert [(r.start, r.end, r.span_score) for r in once] == [(r.start, r.end, r.span_score) for r in again]


def test_readings_come_in_the_order_of_the_passages_and_do_not_depend_on_company(reader):
    texts = ["lee " * 50, "the cup", CITY, "ann won . " * 30, "who"]
    together = reader.read("who won the cup?", texts)
    for text, reading in zip(texts, together, strict=True):
        (alone,) = reader.read("who won the cup?", [text])
        assert alone.relevance_logit == pytest.approx(reading.relevance_logit, abs=0.05)
        np.testing.assert_allclose(alone.start_logits, reading.start_logits, atol=0.15)


def test_a_long_passage_is_read_to_its_end_in_windows(reader):
    text = " ".join(f"ann {i} won the cup." for i in range(300))
    (reading,) = reader.read("who won the cup?", [text], ["title"])
    assert len(reading.offsets) == len(reading.start_logits) == len(reading.end_logits) > 3 * MAX_TOKENS
    assert reading.offsets[-1, 1] == len(text)
    assert np.all(reading.start_logits != 0.0)
    tail = reading.best_span(len(text) - 20, len(text))
    assert tail.start >= len(text) - 20
    assert tail.end <= len(text)


def test_a_very_long_question_and_title_are_cut(reader):
    (reading,) = reader.read("who won " * 500, ["ann lee"], ["cup " * 500])
    assert reading.end <= len("ann lee")


def test_titles_must_match_the_passages(reader):
    with pytest.raises(ValueError, match="one title for each passage"):
        reader.read("who?", ["a", "b"], ["only one"])


def test_best_span_maximises_start_plus_end_within_the_limits():
    offsets = [(0, 2), (3, 5), (6, 8), (9, 11)]
    reading = reading_of([1, 5, 0, 2], [4, 0, 3, 1], offsets)
    assert (reading.start, reading.end, reading.span_score) == (3, 8, 8.0)
    assert reading.best_span(0, 5).score == 5.0
    assert reading.best_span(0, 5, max_tokens=1) == reading.best_span(0, 5)
    assert reading.best_span(6, 11).score == 3.0
    assert reading.best_span(1, 2) is None


def test_shared_words_are_marked_on_both_sides_and_function_words_are_not():
    encoder = PairEncoder(tiny_tokenizer())
    question, title, passage = encoder.tokens_of_all(["who won the cup ?", "lee", "the cup ann"])
    pair = encoder.pair(question, title, passage.ids)
    # [CLS] who won the cup ? [SEP] lee | the cup ann [SEP]
    expected = [QUESTION] * 4 + [QUESTION_SHARED] + [QUESTION] * 2
    expected += [PASSAGE] * 3 + [PASSAGE_SHARED] + [PASSAGE] * 2
    assert pair.types.tolist() == expected
    assert pair.ids[pair.first :].tolist()[:-1] == passage.ids.tolist()


def test_packing_errs_by_at_most_half_a_step():
    weights = {"m": np.array([[1.0, -2.54, 0.01], [0, 0, 0]], np.float32), "v": np.array([0.3], np.float32)}
    packed = pack(weights)
    assert np.abs(unfolded(packed, "m") - weights["m"]).max() <= 0.5 * 2.54 / 127 + 1e-7
    assert unfolded(packed, "v").tolist() == weights["v"].tolist()


@pytest.mark.parametrize("name", [WEIGHTS, "tokenizer.json"])
def test_a_changed_file_is_refused_by_name(folder, tmp_path, name):
    path = copied(folder, tmp_path / "copy")
    content = bytearray((path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (path / name).write_bytes(content)
    with pytest.raises(ModelDamaged, match=name):
        Reader.load(path)


def test_a_missing_file_or_a_torn_manifest_is_refused(folder, tmp_path):
    path = copied(folder, tmp_path / "copy")
    (path / WEIGHTS).unlink()
    with pytest.raises(ModelDamaged, match="missing"):
        Reader.load(path)
    (path / MANIFEST).write_text('{"format": 1')
    with pytest.raises(ModelDamaged, match="damaged"):
        Reader.load(path)
    with pytest.raises(ModelNotFound):
        Reader.load(tmp_path / "nowhere")


def test_reading_imports_no_torch_and_no_transformers(folder):
    program = (
        "import sys; from embeddings.reading.reader import Reader\n"
        f"Reader.load({str(folder)!r}).read('who?', ['ann lee'])\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.model
@pytest.mark.skipif(not (BUNDLED / MANIFEST).exists(), reason="the weights are not in this checkout")
def test_the_bundled_reader_finds_a_plain_answer_and_ranks_its_passage_first():
    passages = [
        "The committee met on Tuesday to discuss the budget for roads and bridges.",
        "The delegation to Geneva was led by Maria Keller, who spoke for an hour on trade.",
        "Geneva lies on a lake; its old town draws many visitors every summer.",
    ]
    readings = Reader.load().read("Who led the delegation to Geneva?", passages)
    best = max(range(3), key=lambda i: readings[i].relevance_logit)
    assert best == 1
    assert passages[1][readings[1].start : readings[1].end] == "Maria Keller"
    assert readings[1].span_score > max(readings[0].span_score, readings[2].span_score)


def test_only_questions_in_latin_letters_are_read(reader):
    assert reader.reads("Who led the delegation to Genève?")
    assert reader.reads("2023?")
    assert reader.reads("What does 检察院 mean in English?")
    assert not reader.reads("谁率领代表团访问 Geneva？")
    assert not reader.reads("Кто руководил делегацией?")
