import keras
import numpy as np
import pytest
import tensorflow as tf

from tfhealth.models.text import gru, lstm, rnn, transformer
from tfhealth.training.time_gradients import hidden_state_gradients

STEPS, CLASSES = 6, 3
BUILDS = {
    "rnn": lambda: rnn(20, CLASSES, width=5),
    "gru": lambda: gru(20, CLASSES, width=5, bidirectional=False, pooling="last"),
    "lstm": lambda: lstm(20, CLASSES, width=5, bidirectional=False, pooling="last"),
    "transformer": lambda: transformer(20, STEPS, CLASSES, width=8, num_heads=2, pooling="last"),
}
TOKENS = np.random.default_rng(0).integers(1, 20, (4, STEPS)).astype(np.int32)
LABELS = np.array([0, 1, 2, 0], np.int32)


def test_gradient_of_an_elman_network_is_the_closed_form():
    """dL/dh_t = J_{t+1} dL/dh_{t+1}, with J = U diag(1 - h^2) for tanh; dL/dh_T = W (softmax - one-hot)."""
    keras.utils.set_random_seed(0)
    model = BUILDS["rnn"]()
    kernel, recurrent, bias = model.get_layer("rnn").get_weights()
    embedded = model.get_layer("token_embedding").get_weights()[0][TOKENS]
    hidden, h = [], np.zeros((4, 5))
    for step in range(STEPS):
        h = np.tanh(embedded[:, step] @ kernel + bias + h @ recurrent)
        hidden.append(h)
    weights, offset = model.get_layer("logits").get_weights()
    exponentials = np.exp(h @ weights + offset)
    gradient = (exponentials / exponentials.sum(1, keepdims=True) - np.eye(CLASSES)[LABELS]) @ weights.T
    expected = [gradient]
    for h in hidden[:0:-1]:
        gradient = (gradient * (1 - h**2)) @ recurrent.T
        expected.insert(0, gradient)
    norms = np.linalg.norm(np.stack(expected, 1), axis=-1).mean(0)
    np.testing.assert_allclose(hidden_state_gradients(model, TOKENS, LABELS), norms, rtol=1e-4)  # float32


@pytest.mark.parametrize("name", BUILDS)
def test_last_step_has_the_gradient_of_the_classifier_and_every_step_has_one(name):
    keras.utils.set_random_seed(0)
    model = BUILDS[name]()
    norms = hidden_state_gradients(model, TOKENS, LABELS)
    assert norms.shape == (STEPS,)
    assert (norms > 0).all()
    if name != "transformer":
        states = keras.Model(model.inputs[0], model.get_layer("pool").output)(TOKENS)
        with tf.GradientTape() as tape:
            tape.watch(states)
            logits = model.get_layer("logits")(states)
            loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, logits))
        last = np.linalg.norm(tape.gradient(loss, states).numpy(), axis=1).mean()
        assert norms[-1] == pytest.approx(last, rel=1e-4)


def test_gradient_of_a_text_does_not_depend_on_the_others():
    model = BUILDS["lstm"]()
    alone = [hidden_state_gradients(model, TOKENS[i : i + 1], LABELS[i : i + 1]) for i in range(4)]
    np.testing.assert_allclose(hidden_state_gradients(model, TOKENS, LABELS), np.mean(alone, 0), rtol=1e-4)


def test_transformer_of_one_block_is_refused():
    single = transformer(20, STEPS, CLASSES, width=8, num_heads=2, num_layers=1, pooling="last")
    with pytest.raises(ValueError, match="two blocks"):
        hidden_state_gradients(single, TOKENS, LABELS)


def test_padding_is_refused():
    padded = TOKENS.copy()
    padded[1, 4:] = 0
    with pytest.raises(ValueError, match="padding"):
        hidden_state_gradients(BUILDS["lstm"](), padded, LABELS)
