"""How strongly the loss still depends on what a network knew at each time step: the vanishing gradient, measured.

Source: Hochreiter 1991; Bengio, Simard, Frasconi 1994; Pascanu, Mikolov, Bengio 2013, arXiv:1211.5063, eq. 5.
"""

import keras
import numpy as np
import tensorflow as tf

BLOCK, SECOND_BLOCK = "encoder_block1", "encoder_block2"


def hidden_state_gradients(model: keras.Model, tokens: np.ndarray, y_true: np.ndarray) -> np.ndarray:
    """Returns (time,) the mean over texts of the norm of dL/dh_t, where L is a text's cross-entropy in nats.

    h_t is the output of a recurrent layer at step t, or of a Transformer's first block, and the derivative is the total
    one: through all later steps, not only through the output of step t. An LSTM's cell state, its other memory, is held
    fixed. Keras starts a plain RNN with an orthogonal matrix, which keeps gradients long, and a GRU half open, which
    does not: before training these numbers tell of initial values. Dropout is off.

    Args:
        model: from models.text, one direction; pooling "last" makes steps comparable, since then only the last one
            reaches the loss directly.
        tokens: (n, time) ids without padding.
        y_true: (n,) int class ids.

    Raises:
        ValueError: there is padding, which has no state of its own, or a Transformer has one block only, behind which
            no state reaches another.
    """
    if (tokens == 0).any():
        raise ValueError("tokens hold padding: choose texts of at least as many tokens as there are steps")
    if model.name == "transformer" and SECOND_BLOCK not in {layer.name for layer in model.layers}:
        raise ValueError("a Transformer needs two blocks: behind the last one no state reaches another")
    gradients = _of_transformer if model.name == "transformer" else _of_recurrent
    norms = tf.norm(tf.cast(gradients(model, tf.constant(tokens), tf.constant(y_true)), tf.float64), axis=-1)
    return norms.numpy().mean(0)


def _of_recurrent(model: keras.Model, tokens, y_true) -> tf.Tensor:
    """Runs the cell step by step, since only then is every h_t a tensor with a gradient: (n, time, width)."""
    embedded = keras.Model(model.inputs[0], model.get_layer("embedding_dropout").output)(tokens, training=False)
    classify = keras.Model(model.get_layer("pool").output, model.outputs[0])
    cell = model.get_layer(model.name).cell
    states, hidden = cell.get_initial_state(batch_size=len(tokens)), []
    with tf.GradientTape() as tape:
        for step in range(tokens.shape[1]):
            h, states = cell(embedded[:, step], states, training=False)
            hidden.append(h)
        loss = _cross_entropy(y_true, classify(h, training=False))
    return tf.stack(tape.gradient(loss, hidden), axis=1)


def _of_transformer(model: keras.Model, tokens, y_true) -> tf.Tensor:
    """Returns dL/dh at every position behind the first block: (n, time, width)."""
    block = model.get_layer(BLOCK).output
    hidden = keras.Model(model.inputs[0], block)(tokens, training=False)
    rest = keras.Model([model.inputs[0], block], model.outputs[0])
    with tf.GradientTape() as tape:
        tape.watch(hidden)
        loss = _cross_entropy(y_true, rest([tokens, hidden], training=False))
    return tape.gradient(loss, hidden)


def _cross_entropy(y_true, logits):
    """The sum over texts, so that a text's gradient does not depend on how many there are."""
    return tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(y_true, logits))
