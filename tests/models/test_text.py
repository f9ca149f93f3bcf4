from functools import partial

import keras
import numpy as np
import pytest

from tfhealth.models.text import gru, lstm, rnn, transformer

VOCABULARY, CLASSES, STEPS = 50, 3, 12
BUILDS = {
    "rnn": partial(rnn, VOCABULARY, CLASSES, width=8),
    "gru": partial(gru, VOCABULARY, CLASSES, width=8),
    "lstm": partial(lstm, VOCABULARY, CLASSES, width=8),
    "lstm, with embeddings": partial(lstm, VOCABULARY, CLASSES, width=8, skip=True),
    "lstm, one direction": partial(lstm, VOCABULARY, CLASSES, width=8, bidirectional=False, pooling="last"),
    "transformer": partial(transformer, VOCABULARY, STEPS, CLASSES, width=16),
    "transformer, in context": partial(transformer, VOCABULARY, STEPS, CLASSES, width=16, context=3),
    "transformer, last step": partial(transformer, VOCABULARY, STEPS, CLASSES, width=16, pooling="last"),
}


@pytest.fixture(params=BUILDS, name="build")
def any_build(request):
    keras.utils.set_random_seed(0)
    return BUILDS[request.param]


def texts(n=4, length=7, steps=STEPS, seed=0):
    """Token ids, the first `length` of each row real, the rest padding."""
    tokens = np.random.default_rng(seed).integers(1, VOCABULARY, (n, steps)).astype(np.int32)
    tokens[:, length:] = 0
    return tokens


def test_output_is_unchanged_by_what_stands_beside_a_text_in_the_batch(build):
    model = build()
    together = model.predict_on_batch(texts())
    alone = np.concatenate([model.predict_on_batch(row[None]) for row in texts()])
    np.testing.assert_allclose(together, alone, atol=1e-5)  # float32
    assert together.shape == (4, CLASSES)


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm", "lstm, one direction"])
def test_recurrent_output_is_unchanged_by_more_padding(name):
    model = BUILDS[name]()
    longer = np.pad(texts(), ((0, 0), (0, 9)))
    np.testing.assert_allclose(model.predict_on_batch(longer), model.predict_on_batch(texts()), atol=1e-5)


@pytest.mark.parametrize("context", [0, 5])
@pytest.mark.parametrize("pooling", ["max_mean", "last"])
def test_transformer_output_is_unchanged_by_padding(pooling, context):
    """The same weights, built for 12 and for 7 steps: five steps of padding must not be seen anywhere."""
    long = transformer(VOCABULARY, 12, CLASSES, width=16, pooling=pooling, context=context)
    short = transformer(VOCABULARY, 7, CLASSES, width=16, pooling=pooling, context=context)
    weights = long.get_weights()
    short.set_weights(
        [w[:7] if v.path.startswith("position") else w for w, v in zip(weights, long.weights, strict=True)]
    )
    assert any(len(w) == 12 for w in weights)
    padded = texts()
    np.testing.assert_allclose(long.predict_on_batch(padded), short.predict_on_batch(padded[:, :7]), atol=1e-5)


def test_every_token_of_a_text_counts(build):
    model = build()
    before = model.predict_on_batch(texts(n=1))
    for step in range(7):
        changed = texts(n=1)
        changed[0, step] = changed[0, step] % (VOCABULARY - 1) + 1
        assert np.abs(model.predict_on_batch(changed) - before).max() > 0


def test_order_of_the_tokens_counts(build):
    model = build()
    turned = texts()
    turned[:, :7] = turned[:, 6::-1]
    assert np.abs(model.predict_on_batch(turned) - model.predict_on_batch(texts())).max() > 1e-4


def test_train_step_moves_every_trainable_weight(build):
    model = build()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [np.array(weight) for weight in model.trainable_variables]
    model.train_on_batch(texts(n=16, seed=1), np.arange(16) % CLASSES)
    for weight, variable in zip(before, model.trainable_variables, strict=True):
        # A key's bias shifts all scores of a query alike, so the softmax gives it no gradient but rounding errors.
        assert np.abs(np.array(variable) - weight).max() > 0 or "key/bias" in variable.path, variable.path


def test_penalty_is_l2_times_the_squares_of_all_kernels_and_of_nothing_else(build):
    model = build(l2=0.01)
    kernels = [np.array(v) for v in model.trainable_variables if v.path.endswith("kernel")]
    assert len(kernels) >= 3
    assert float(sum(model.losses)) == pytest.approx(0.01 * sum((k**2).sum() for k in kernels), rel=1e-5)
    assert not build().losses


def test_saved_model_gives_the_same_output(build, tmp_path):
    model = build()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_allclose(loaded.predict_on_batch(texts()), model.predict_on_batch(texts()), atol=1e-6)


def test_layer_names_are_stable():
    names = {layer.name for layer in BUILDS["transformer"]().layers}
    assert {"token_embedding", "position_embedding", "encoder_block1", "encoder_block2", "pool", "logits"} <= names
    assert {"token_embedding", "bidirectional_lstm", "pool"} <= {layer.name for layer in BUILDS["lstm"]().layers}


def test_impossible_poolings_are_refused():
    with pytest.raises(ValueError, match="one direction"):
        lstm(VOCABULARY, CLASSES, pooling="last")
    with pytest.raises(ValueError, match="'first' is not one of max_mean, last"):
        transformer(VOCABULARY, STEPS, CLASSES, pooling="first")
