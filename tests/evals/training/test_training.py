"""The training of the reader: its data, a few steps on a tiny network, and the measures of the result."""

import json
import random

import numpy as np
import pytest

from embeddings.reading.inputs import PairEncoder
from embeddings.reading.reader import Reader
from evals.training.adversary import altered
from evals.training.data import SETS, gold_spans
from evals.training.export import Reply, best_threshold, f1_at, reading_scores
from tests.embeddings.test_reader import HEADS, INNER, LAYERS, WIDTH, tiny_tokenizer


def write_training_folder(root):
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
    found = {altered(asked, passage, ["Rome"], others, random.Random(seed)) for seed in range(300)}
    assert found == expected


def test_reading_scores_match_a_count_by_hand():
    replies = [Reply(("x",), "x", 2.0), Reply((), "y", 1.0), Reply(("z",), "z", 0.0)]
    assert f1_at(replies, 1.5) == pytest.approx(2 / 3)
    assert f1_at(replies, -1.0) == pytest.approx(2 / 3)
    assert f1_at(replies, best_threshold(replies)) == pytest.approx(2 / 3)
    assert reading_scores(replies)["auroc"] == pytest.approx(1 / 2)
    assert reading_scores(replies)["token_f1_answerable"] == 1


def test_gold_spans_take_every_occurrence_only_where_no_place_is_certain():
    text = "Rome fell. Rome rose. Athens stood."
    assert gold_spans({"evidence": [{}], "answers": ["Rome"]}, text) == ((0, 4), (11, 15))
    assert gold_spans({"evidence": [{}], "answers": ["Rome", "Athens"]}, text) == ((22, 28),)
