"""Text classifiers as functions: recurrent networks and a Transformer, (n, time) token ids to (n, num_classes) logits.

Id 0 is padding and comes after the text. Every layer that mixes time steps is told which steps are padding, and the
pooling leaves them out, so that padding changes no output.
"""

from collections.abc import Callable, Mapping

import keras
import keras_hub
from keras import layers, ops

EMBEDDING_WIDTH = 128
# Of positions at the start, well below the tokens' 0.03. KerasHub's default (0.08 for 260 steps of width 64) drowns the
# tokens: with Part 1's quick settings and no dropout validation accuracy was 0.08, 0.11 and 0.12 after one, two and
# three epochs with it, and 0.12, 0.33 and 0.39 with this one (8000 notes, seed 0).
POSITION_DEVIATION = 0.005


def rnn(vocabulary_size, num_classes, *, width=64, bidirectional=False, pooling="last", dropout=0.0, l2=0.0):
    """Returns an uncompiled Elman network, whose gradients vanish with time. Arguments as for `lstm`.

    Source: Elman 1990, "Finding Structure in Time"; Pascanu, Mikolov, Bengio 2013, arXiv:1211.5063.
    """
    return _recurrent("rnn", layers.SimpleRNN, vocabulary_size, num_classes, width, bidirectional, pooling, dropout, l2)


def gru(vocabulary_size, num_classes, *, width=64, bidirectional=True, pooling="max_mean", dropout=0.0, l2=0.0):
    """Returns an uncompiled GRU classifier. Arguments as for `lstm`.

    Source: Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder", arXiv:1406.1078.
    """
    return _recurrent("gru", layers.GRU, vocabulary_size, num_classes, width, bidirectional, pooling, dropout, l2)


def lstm(
    vocabulary_size, num_classes, *, width=64, bidirectional=True, skip=False, pooling="max_mean", dropout=0.0, l2=0.0
):
    """Returns an uncompiled LSTM classifier: (n, time) token ids to (n, num_classes) logits, any number of steps.

    Args:
        vocabulary_size: number of token ids, padding included.
        num_classes: width of the output.
        width: units of each direction.
        bidirectional: also read backwards; the two outputs of a step stand side by side.
        skip: pool the embeddings too, beside the outputs, so that single words speak for themselves: where documents
            are few, that is most of what can be learned (Lai et al. 2015, "Recurrent Convolutional Neural Networks for
            Text Classification", AAAI, join them likewise).
        pooling: "max_mean": maximum and mean over the steps, side by side (Howard and Ruder 2018, arXiv:1801.06146,
            sec. 3.3); "last": the last step alone, whose gradient has to travel back through all others.
        dropout: rate behind the embedding and in front of the last layer.
        l2: factor of `keras.regularizers.L2` on every kernel, recurrent ones too; 0 adds none.

    Raises:
        ValueError: unknown pooling, or "last" with two directions, one of which has read one token there.

    Source: Hochreiter and Schmidhuber 1997, "Long Short-Term Memory".
    """
    sizes = vocabulary_size, num_classes, width
    return _recurrent("lstm", layers.LSTM, *sizes, bidirectional, pooling, dropout, l2, skip)


def transformer(
    vocabulary_size,
    sequence_length,
    num_classes,
    *,
    width=EMBEDDING_WIDTH,
    num_layers=2,
    num_heads=4,
    context=0,
    pooling="max_mean",
    dropout=0.0,
    l2=0.0,
):
    """Returns an uncompiled Transformer encoder: (n, sequence_length) token ids to (n, num_classes) logits.

    Normalisation comes before attention and before the feed-forward layer, whose width is 2 * width.

    Args:
        vocabulary_size: number of token ids, padding included.
        sequence_length: steps; each has a learned position.
        num_classes: width of the output.
        width: of each step; num_layers: encoder blocks `encoder_block1`, ...; num_heads: of attention.
        context: steps that a convolution sees whose output is added to each embedding, so that attention starts from
            phrases, not from single tokens in unknown order; 0: no convolution (Mohamed et al. 2019, arXiv:1904.11660).
        pooling: as for `lstm`.
        dropout: rate behind the embedding and each block, and in front of the last layer. Not on the attention weights:
            a random number for each pair of tokens makes a block 1.3 times as slow (260 tokens, width 64, 2 heads).
        l2: factor of `keras.regularizers.L2` on every kernel; 0 adds none.

    Source: Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762; normalisation first: Xiong et al. 2020,
    arXiv:2002.04745.
    """
    tokens = keras.Input((sequence_length,), dtype="int32", name="tokens")
    mask = ops.not_equal(tokens, 0)
    x = layers.Embedding(vocabulary_size, width, name="token_embedding")(tokens)
    near_zero = keras.initializers.RandomNormal(stddev=POSITION_DEVIATION)
    positions = keras_hub.layers.PositionEmbedding(sequence_length, near_zero, name="position_embedding")(x)
    x = layers.Add(name="embedding")([x, positions])
    if context:
        phrases = layers.Conv1D(width, context, padding="same", activation="gelu", name="context")
        x = layers.Add(name="embedding_in_context")([x, phrases(ops.where(mask[:, :, None], x, 0.0))])
    x = layers.Dropout(dropout, name="embedding_dropout")(x)
    for block in range(1, num_layers + 1):
        encoder = keras_hub.layers.TransformerEncoder(
            2 * width, num_heads, activation="gelu", normalize_first=True, name=f"encoder_block{block}"
        )
        x = encoder(x, padding_mask=mask)
        x = layers.Dropout(dropout, name=f"encoder_block{block}_dropout")(x)
    x = layers.LayerNormalization(name="final_norm")(x)
    return _classifier("transformer", tokens, x, mask, num_classes, pooling, dropout, l2)


BUILDERS: Mapping[str, Callable[..., keras.Model]] = {"rnn": rnn, "lstm": lstm, "gru": gru, "transformer": transformer}


def _recurrent(
    name, cell, vocabulary_size, num_classes, width, bidirectional, pooling, dropout, l2, skip=False
) -> keras.Model:
    if bidirectional and pooling == "last":
        raise ValueError("pooling 'last' needs one direction: backwards, the last step has read one token")
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    mask = ops.not_equal(tokens, 0)
    x = layers.Embedding(vocabulary_size, EMBEDDING_WIDTH, name="token_embedding")(tokens)
    x = layers.Dropout(dropout, name="embedding_dropout")(x)
    recurrent = cell(width, return_sequences=True, name=name)
    if bidirectional:
        recurrent = layers.Bidirectional(recurrent, name=f"bidirectional_{name}")
    states = recurrent(x, mask=mask)
    x = layers.Concatenate(name="states_and_embeddings")([states, x]) if skip else states
    return _classifier(name, tokens, x, mask, num_classes, pooling, dropout, l2)


def _classifier(name, tokens, x, mask, num_classes, pooling, dropout, l2) -> keras.Model:
    """Pools (n, time, width) over the steps that are not padding, and classifies."""
    if pooling not in POOLINGS:
        raise ValueError(f"pooling {pooling!r} is not one of {', '.join(POOLINGS)}")
    x = layers.Identity(name="pool")(POOLINGS[pooling](x, mask))
    x = layers.Dropout(dropout, name="dropout")(x)
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(x)
    model = keras.Model(tokens, logits, name=name)
    penalise(model, l2)
    return model


def penalise(model: keras.Model, l2: float) -> None:
    """Adds an L2 penalty to every kernel of the model; biases, normalisation and embeddings have none.

    On the variables, because the layers of keras_hub take no regularizer.
    """
    for variable in model.trainable_variables if l2 else ():
        if "kernel" in variable.name:
            variable.regularizer = keras.regularizers.L2(l2)


def _max_mean(x, mask):
    """(n, time, width), (n, time) -> (n, 2 * width)."""
    mask = mask[:, :, None]
    count = ops.sum(ops.cast(mask, x.dtype), axis=1)
    highest = ops.max(ops.where(mask, x, -1e4), axis=1)
    return ops.concatenate([highest, ops.sum(ops.where(mask, x, 0.0), axis=1) / ops.maximum(count, 1.0)], axis=-1)


def _last(x, mask):
    """(n, time, width), (n, time) -> (n, width): the step of the last token."""
    last = ops.maximum(ops.sum(ops.cast(mask, "int32"), axis=1) - 1, 0)
    return ops.take_along_axis(x, last[:, None, None], axis=1)[:, 0]


POOLINGS = {"max_mean": _max_mean, "last": _last}
