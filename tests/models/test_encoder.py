import importlib.util

import keras_hub
import numpy as np
import pytest

from tfhealth.data.dataset import Rows, Split
from tfhealth.data.tokens import encoder_ids
from tfhealth.errors import UserError
from tfhealth.models.encoder import MINILM, frozen_part, joined, load_encoder, trained_part
from tfhealth.training.states import keep_states

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "fever", "pain", "hepat", "##itis", "and"]
TEXTS = ["Fever and hepatitis", "pain", "fever and pain and fever and pain and fever"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny BERT saved as a KerasHub preset."""
    path = tmp_path_factory.mktemp("tiny_bert")
    size = {"num_layers": 3, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}
    keras_hub.models.BertBackbone(vocabulary_size=len(VOCABULARY), max_sequence_length=16, **size).save_to_preset(path)
    keras_hub.models.BertTokenizer(vocabulary=VOCABULARY, lowercase=True).save_to_preset(path)
    return path


@pytest.fixture(scope="module")
def encoder(folder):
    return load_encoder(str(folder))


def test_ids_are_those_of_the_encoders_own_tokenizer_between_start_and_end(encoder):
    ids = encoder_ids(encoder.tokenizer, TEXTS, 8)
    for row, body in zip(ids, encoder.tokenizer(TEXTS), strict=True):
        expected = [2, *body[:6], 3]
        assert row.tolist() == expected + [0] * (8 - len(expected))


def test_both_parts_together_are_the_whole_encoder(encoder):
    ids = encoder_ids(encoder.tokenizer, TEXTS, 12)
    frozen, trained = frozen_part(encoder, 1), trained_part(encoder, 1, 4)
    mask = (ids != 0)[:, :, None]
    inputs = {"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": (ids != 0).astype(np.int32)}
    whole = encoder.backbone.predict_on_batch(inputs)["sequence_output"]
    pooled = np.concatenate([np.where(mask, whole, -1e4).max(1), (whole * mask).sum(1) / mask.sum(1)], axis=1)
    weights, bias = trained.get_layer("logits").get_weights()
    np.testing.assert_allclose(joined(frozen, trained).predict_on_batch(ids), pooled @ weights + bias, atol=1e-5)


def test_padding_changes_no_output(encoder):
    frozen, trained = frozen_part(encoder, 2), trained_part(encoder, 2, 4)
    model = joined(frozen, trained)
    short, long = (encoder_ids(encoder.tokenizer, TEXTS[:2], length) for length in (6, 16))
    np.testing.assert_allclose(model.predict_on_batch(short), model.predict_on_batch(long), atol=1e-5)


def test_only_the_upper_layers_are_trained(encoder):
    frozen, trained = frozen_part(encoder, 2), trained_part(encoder, 2, 4)
    assert not frozen.trainable_variables
    paths = {variable.path for variable in trained.trainable_variables}
    assert any("transformer_layer_2" in path for path in paths)
    assert not any("transformer_layer_1" in path or "embedding" in path for path in paths)


def test_kept_states_are_the_frozen_parts_and_are_computed_once(encoder, tmp_path, monkeypatch):
    ids = encoder_ids(encoder.tokenizer, TEXTS, 8)
    names = np.arange(3).astype(str)
    split, frozen = Split(Rows(ids), np.zeros(3, np.int32), names, names), frozen_part(encoder, 2)
    kept = keep_states(frozen, split, tmp_path / "states.npy")
    assert kept.x.dtype == np.float16
    np.testing.assert_allclose(kept.x.take(slice(None)), frozen.predict_on_batch(ids), atol=2e-3)  # float16
    monkeypatch.setattr(type(frozen), "predict_on_batch", lambda *_: pytest.fail("computed again"))
    assert keep_states(frozen, split, tmp_path / "states.npy").x.shape == (3, 8, 8)


@pytest.mark.parametrize(
    ("name", "message"),
    [("/nowhere/at/all", "no config.json"), ("bert_of_nobody", "cannot be loaded"), ("./nowhere", "no config.json")],
)
def test_unknown_encoder_is_one_clear_line(name, message):
    with pytest.raises(UserError, match=message) as error:
        load_encoder(name)
    assert "\n" not in str(error.value)


def test_encoder_of_another_family_is_refused(tmp_path):
    size = {"num_layers": 1, "num_query_heads": 2, "num_key_value_heads": 1, "hidden_dim": 8, "intermediate_dim": 16}
    keras_hub.models.LlamaBackbone(vocabulary_size=10, **size).save_to_preset(tmp_path)
    with pytest.raises(UserError, match=r"BERT family|cannot be loaded"):
        load_encoder(str(tmp_path))


@pytest.mark.skipif(importlib.util.find_spec(MINILM) is None, reason="the optional package is not installed")
def test_minilm_is_read_from_its_package_offline_and_knows_what_is_alike():
    encoder = load_encoder("minilm")
    assert encoder.num_layers == 6
    texts = ["myocardial infarction", "heart attack", "fracture of the wrist"]
    ids = encoder_ids(encoder.tokenizer, texts, 16)
    inputs = {"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": (ids != 0).astype(np.int32)}
    states = encoder.backbone.predict_on_batch(inputs)["sequence_output"]
    mean = (states * (ids != 0)[:, :, None]).sum(1) / (ids != 0).sum(1, keepdims=True)
    heart, attack, wrist = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    assert heart @ attack > heart @ wrist + 0.2
