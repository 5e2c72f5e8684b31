"""Conversion of small models made here, by the code that converts real ones, in its child process."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

from embeddings import ModelNotFound, load_encoder
from embeddings.encoding.convert import PROBES
from embeddings.encoding.openvino_encoder import OpenVINOEncoder
from embeddings.runtime.conversion import fingerprint_of

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow

TEXTS = [text for text in PROBES if text.strip()]

# Loaded by Python at start-up in every process that has its folder on PYTHONPATH: nothing gets out, and what
# tried to is written down.
NETWORK_GUARD = """
import os, sys

def guard(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        with open(os.environ["NETWORK_LOG"], "a") as log:
            log.write(f"{event} {arguments!r}\\n")
        raise OSError("no network in this test")

sys.addaudithook(guard)
"""


def make_model(folder, pooling="mean", window=48, dense=False, **options):
    """Save a BERT of two layers with random weights as a sentence-transformers model."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, BertTokenizerFast

    letters = [chr(c) for c in range(33, 127) if not chr(c).isupper()]
    words = ["the", "a", "city", "road", "delegation", "passage", "led", "中", "国", "南", "ing", "岭"]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {
        piece: i
        for i, piece in enumerate(dict.fromkeys(special + letters + [f"##{c}" for c in letters] + words))
    }
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    bert = folder.parent / f"{folder.name}-bert"
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    BertModel(config).save_pretrained(bert)
    BertTokenizerFast(tokenizer_object=tokenizer, model_max_length=64).save_pretrained(bert)
    modules = [Transformer(str(bert), max_seq_length=window), Pooling(32, pooling_mode=pooling)]
    if dense:
        modules += [Dense(32, 24), Normalize()]
    SentenceTransformer(modules=modules, device="cpu", **options).save_pretrained(str(folder))
    shutil.rmtree(bert)
    return folder


def original(folder):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def cosines(a, b):
    return (a * b).sum(axis=1)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def mean(models):
    return make_model(models / "mean")


@pytest.fixture(scope="module")
def converted_mean(mean, cache):
    notices = []
    encoder = load_encoder(str(mean), cache, notify=notices.append)
    assert len(notices) == 1
    assert "Converting the model mean" in notices[0]
    return encoder


def test_a_model_with_mean_pooling_is_converted_faithfully(mean, converted_mean):
    assert isinstance(converted_mean, OpenVINOEncoder)
    assert (converted_mean.name, converted_mean.dim, converted_mean.max_tokens) == ("mean", 32, 48)
    expected = original(mean).encode(TEXTS, normalize_embeddings=True)
    assert cosines(expected, converted_mean.encode(TEXTS)).min() > 0.998
    assert cosines(expected, converted_mean.encode_queries(TEXTS)).min() > 0.998
    assert np.std(cosines(expected, np.roll(expected, 1, axis=0))) > 0.01  # the texts do differ


def test_cls_pooling_dense_layer_and_prompts_are_honoured(models, cache):
    folder = make_model(
        models / "cls", pooling="cls", dense=True, prompts={"query": "the road: ", "document": "a city; "}
    )
    encoder = load_encoder(str(folder), cache)
    assert isinstance(encoder, OpenVINOEncoder)
    model = original(folder)
    queries = model.encode_query(TEXTS, normalize_embeddings=True)
    passages = model.encode_document(TEXTS, normalize_embeddings=True)
    assert encoder.dim == 24
    assert encoder.max_tokens == 48 - 3  # "a", "city", ";"
    assert cosines(queries, encoder.encode_queries(TEXTS)).min() > 0.998
    assert cosines(passages, encoder.encode(TEXTS)).min() > 0.998
    assert cosines(queries, passages).min() < 0.99


def test_a_converted_model_is_used_again_without_converting(mean, cache, converted_mean):
    again = load_encoder(str(mean), cache, notify=pytest.fail)
    assert again.fingerprint == converted_mean.fingerprint
    assert np.array_equal(again.encode(["a city"]), converted_mean.encode(["a city"]))


def test_the_same_files_elsewhere_are_the_same_model(mean, cache, converted_mean, tmp_path):
    copy = shutil.copytree(mean, tmp_path / "moved")
    (copy / "README.md").write_text("other words")
    assert fingerprint_of(copy) == converted_mean.fingerprint
    assert load_encoder(str(copy), cache, notify=pytest.fail).fingerprint == converted_mean.fingerprint


def test_a_changed_model_has_another_fingerprint(mean, tmp_path):
    for name in ("model.safetensors", "1_Pooling/config.json", "tokenizer.json"):
        copy = shutil.copytree(mean, tmp_path / name.replace("/", "-"))
        content = (copy / name).read_bytes()
        (copy / name).write_bytes(content + b" ")
        assert fingerprint_of(copy) != fingerprint_of(mean)


def test_a_damaged_conversion_is_made_again(mean, converted_mean, tmp_path):
    cache = tmp_path / "cache"
    load_encoder(str(mean), cache)
    (folder,) = (cache / "models").iterdir()
    (folder / "tokenizer.json").write_text("{}")
    notices = []
    encoder = load_encoder(str(mean), cache, notify=notices.append)
    assert "Converting" in notices[0]
    assert np.allclose(encoder.encode(["a city"]), converted_mean.encode(["a city"]), atol=1e-3)
    assert [path.name for path in (cache / "models").iterdir()] == [folder.name]


def test_two_that_come_at_once_convert_once(mean, tmp_path):
    notices, encoders = [], []
    threads = [
        threading.Thread(
            target=lambda: encoders.append(load_encoder(str(mean), tmp_path, notify=notices.append))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(encoders) == 2
    assert len(notices) == 1


def test_a_converted_model_runs_without_torch_and_nothing_touches_the_network(mean, tmp_path):
    """Conversion and use in fresh processes, for a user who never opted out of anything."""
    guard = tmp_path / "guard"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(NETWORK_GUARD)
    log = tmp_path / "network.log"
    code = textwrap.dedent("""
        import sys
        from pathlib import Path
        from embeddings import load_encoder

        encoder = load_encoder(sys.argv[1], Path(sys.argv[2]))
        assert encoder.encode(["a city"]).shape == (1, 32)
        encoder.encode(["a road " * 30] * 200)
        encoder.token_spans("a road")
        heavy = {"torch", "transformers", "sentence_transformers", "openvino.tools.ovc", "openvino_telemetry"}
        print(sorted(heavy & set(sys.modules)))
    """)
    environment = {key: value for key, value in os.environ.items() if key not in ("CI", "TF_BUILD")}
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(guard), str(ROOT)]),
        "NETWORK_LOG": str(log),
        "HOME": str(tmp_path),
    }

    def run(*command):
        return subprocess.run(
            [sys.executable, *command],
            env=environment,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )

    assert run("-c", "import socket; socket.getaddrinfo('localhost', 1)").returncode == 1
    assert "getaddrinfo" in log.read_text()  # the guard stands
    log.unlink()
    for _ in range(2):  # converting, then converted
        done = run("-c", code, str(mean), str(tmp_path / "cache"))
        assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
    assert not log.exists()
    assert list((tmp_path / "cache" / "models").glob("*/model.xml"))


def test_a_model_that_cannot_be_converted_runs_as_it_is(models, cache):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    words = Tokenizer.from_file(str(models / "mean" / "tokenizer.json"))
    words.no_padding()
    folder = models / "static"
    static = StaticEmbedding(words, embedding_dim=16)
    SentenceTransformer(modules=[static], device="cpu").save_pretrained(str(folder))
    for _ in range(2):  # the second time from the record, without trying again
        notices = []
        encoder = load_encoder(str(folder), cache, notify=notices.append)
        assert "runs unconverted, and slower: its first module is a StaticEmbedding" in notices[-1]
        assert encoder.dim == 16
        assert encoder.fingerprint == fingerprint_of(folder)
        expected = original(folder).encode(TEXTS, normalize_embeddings=True)
        assert cosines(expected, encoder.encode(TEXTS)).min() > 0.9999
        assert encoder.encode([]).shape == (0, 16)
        assert np.allclose(np.linalg.norm(encoder.encode(["", "\ud800"]), axis=1), 1)
        assert encoder.token_spans("a city") == [(0, 1), (2, 6)]
    assert len(notices) == 1


def test_where_the_cache_cannot_be_written_the_model_runs_as_it_is(mean, converted_mean, tmp_path):
    cache = tmp_path / "a-file"
    cache.write_text("in the way")
    notices = []
    encoder = load_encoder(str(mean), cache, notify=notices.append)
    assert "runs unconverted" in notices[0]
    assert encoder.fingerprint == converted_mean.fingerprint
    assert cosines(encoder.encode(TEXTS), converted_mean.encode(TEXTS)).min() > 0.998
    assert encoder.token_spans("a city, led") == converted_mean.token_spans("a city, led")


def test_a_folder_that_is_no_model_is_reported_and_not_recorded(tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "modules.json").write_text(
        json.dumps([{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}])
    )
    with pytest.raises(ModelNotFound, match="cannot load a model from"):
        load_encoder(str(folder), tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.json"))
    assert not list((tmp_path / "cache" / "models").iterdir())


def test_a_hub_name_without_a_connection_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    with pytest.raises(ModelNotFound, match="Check the name and the connection") as caught:
        load_encoder("nobody/no-such-model", tmp_path / "cache")
    assert "\n" not in str(caught.value)
