"""The reader's runtime on a tiny random network, and a few steps of its training."""

import hashlib
import json
import math
import random
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
        assert 0.0 <= reading.relevance <= 1.0
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


def test_relevance_is_the_sigmoid_of_the_logit_and_does_not_overflow():
    for logit, probability in ((0.0, 0.5), (math.log(3), 0.75), (-1e4, 0.0), (1e4, 1.0)):
        empty = np.zeros(0, np.float32)
        reading = Reading(logit, np.zeros((0, 2), np.int32), empty, empty)
        assert reading.relevance == pytest.approx(probability)


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


def write_training_folder(root):
    from evals.training.data import SETS

    rng = random.Random(0)
    for number, name in enumerate(SETS):
        family = name.rsplit("/", 1)[-1]
        path = root / name
        path.mkdir(parents=True)
        corpus, queries = [], []
        for i in range(12):
            doc = f"Article{i // 2}-{i % 2:03}" if family == "squad2" else f"{family}-{i}"
            year = str(1000 + 20 * number + i)
            text = f"Ann Lee won cup {year}. " + "The cup was won again by another team. " * rng.randint(4, 6)
            corpus.append({"id": doc, "title": "The cup", "text": text})
            at = text.index(year)
            evidence = {"doc_id": doc, "quote": year, "start": at, "end": at + len(year)}
            asked = f"In what year did Ann Lee win the {i} cup?"
            row = {"id": f"{doc}-q", "question": asked, "answers": [year], "answerable": True}
            queries.append({**row, "evidence": [evidence]})
            if family == "squad2":
                silent = {"id": f"{doc}-n", "question": "Who lost?", "answers": [], "answerable": False}
                queries.append({**silent, "evidence": [{"doc_id": doc}]})
        for file, rows in (("corpus.jsonl", corpus), ("queries.jsonl", queries)):
            (path / file).write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")


@pytest.mark.slow
def test_a_few_training_steps_lower_the_loss_resume_and_export(tmp_path):
    torch = pytest.importorskip("torch")
    from evals.training import data as reader_data
    from evals.training import export as reader_export
    from evals.training import loop as train_reader
    from evals.training.model import build_model, loss_of
    from evals.training.sampler import Sampler

    torch.manual_seed(0)
    write_training_folder(tmp_path / "data")
    data = reader_data.load(tmp_path / "data", seed=3)
    assert len(data.held_out) == 4
    assert not {data.documents[q.doc_id].article for q in data.train} & set(data.held_out)
    assert not {d.article for d in data.training_documents() if d.family == "squad2"} & set(data.held_out)
    negatives = reader_data.mine_negatives(
        data, lambda texts: np.full((len(texts), 4), 0.5, np.float32), families=("squad2",)
    )
    texts = {d.id: d.text for d in data.training_documents()}
    questions = {q.id: q for q in data.train}
    assert any(negatives.values())
    for number, ids in negatives.items():
        assert not any(a in texts[i] for i in ids for a in questions[number].answers)

    tokenizer = tiny_tokenizer()
    config = {"vocab_size": tokenizer.get_vocab_size(), "hidden_size": WIDTH, "num_hidden_layers": LAYERS}
    config |= {"num_attention_heads": HEADS, "intermediate_size": INNER, "max_position_embeddings": 512}
    encoder = PairEncoder(tokenizer)
    training = train_reader.Training(steps=30, rate=5e-3, head_rate=5e-3)
    run = train_reader.Run(build_model(config, None), training)
    sampler = Sampler(data, negatives, encoder, seed=1)
    batches = sampler.batches(size=8, pool=2, progress=lambda: 0.7)
    fixed = next(batches)
    before = sum(loss_of(run.model, fixed, 1.0))
    train_reader.train_loop(run, batches, tmp_path)
    assert sum(loss_of(run.model, fixed, 1.0)) < before

    again = train_reader.Run(build_model(config, None), training)
    again.restore(tmp_path / "checkpoint.pt")
    assert again.steps == run.steps == 30
    again.restore_average(tmp_path)
    model = again.use_average()
    (tmp_path / "t.json").write_text(tokenizer.to_str(), encoding="utf-8")
    graph = reader_export.graph_config(model.encoder.config, encoder.max_tokens)
    reader_export.write_weights(model, tmp_path / "t.json", tmp_path / "weights", graph)
    reader = Reader.load(tmp_path / "weights")
    scores = reader_export.agreement(model, encoder, reader, data, data.dev)
    assert scores["relevance_logit_gap"] < 0.2

    further = train_reader.Run(build_model(config, None), training)
    further.start_from(tmp_path / "weights")
    for name, weight in further.model.named_parameters():
        assert torch.allclose(weight, again.average[name], atol=weight.abs().max().item() / 100), name


@pytest.mark.parametrize(
    ("asked", "passage", "others", "expected"),
    [
        (
            "Where did Ann Lee win in 1998?",
            "In 1998 Ann Lee won in Rome, and Bo Yi in 1920.",
            ["Cai Fu", "2003", "400"],
            {
                "Where did Cai Fu win in 1998?",
                "Where did Ann Lee win in 2003?",
                "Where did Bo Yi win in 1998?",
                "Where did Ann Lee win in 1920?",
                "Where did Ann Lee lose in 1998?",
                "Where didn't Ann Lee win in 1998?",
                "Where did not Ann Lee win in 1998?",
            },
        ),
        # the passage has the opposite too; no verb to deny, no other name: nothing is changed
        ("Who took the first and last step?", "Bo took the first step, Cai the last.", [], {None}),
        ("Who can swim?", "Bo can swim.", [], {None, "Who can't swim?", "Who can not swim?"}),
    ],
)
def test_a_question_is_changed_by_what_its_passage_does_not_say(asked, passage, others, expected):
    from evals.training.adversary import altered

    found = {altered(asked, passage, ["Rome"], others, random.Random(seed)) for seed in range(300)}
    assert found == expected


def test_reading_scores_match_a_count_by_hand():
    from evals.training.export import Reply, best_threshold, f1_at, reading_scores

    replies = [Reply(("x",), "x", 2.0), Reply((), "y", 1.0), Reply(("z",), "z", 0.0)]
    assert f1_at(replies, 1.5) == pytest.approx(2 / 3)
    assert f1_at(replies, -1.0) == pytest.approx(2 / 3)
    assert f1_at(replies, best_threshold(replies)) == pytest.approx(2 / 3)
    assert reading_scores(replies)["auroc"] == pytest.approx(1 / 2)
    assert reading_scores(replies)["token_f1_answerable"] == 1


def test_gold_spans_take_every_occurrence_only_where_no_place_is_certain():
    from evals.training.data import gold_spans

    text = "Rome fell. Rome rose. Athens stood."
    assert gold_spans({"evidence": [{}], "answers": ["Rome"]}, text) == ((0, 4), (11, 15))
    assert gold_spans({"evidence": [{}], "answers": ["Rome", "Athens"]}, text) == ((22, 28),)
