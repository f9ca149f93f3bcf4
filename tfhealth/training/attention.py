"""What a Transformer attends to: the attention each token gets, and how far attention reaches.

Attention weights show where information is taken from, not why a text got its class (Jain and Wallace 2019,
"Attention is not Explanation", arXiv:1902.10186).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import keras_hub
import numpy as np

BATCH_SIZE = 32
FAR = 20  # tokens: about a sentence


@dataclass(frozen=True)
class AttentionReach:
    """One layer's attention by distance.

    Attributes:
        name: of the layer.
        share: (distances,) the share of all attention that goes to tokens this many places away, from 0 on; sums to 1.
        uniform: the same if every token attended evenly to all tokens of its text.
    """

    name: str
    share: np.ndarray
    uniform: np.ndarray

    def summary(self) -> dict:
        """Returns distance, cumulative share and uniform, and their mean distances in tokens; ready for JSON."""
        distance = np.arange(len(self.share))
        return {
            "name": self.name,
            "distance": distance,
            "share": np.cumsum(self.share),
            "uniform": np.cumsum(self.uniform),
            "mean": float(self.share @ distance),
            "uniform_mean": float(self.uniform @ distance),
        }


def attention_weights(model: keras.Model, tokens: np.ndarray) -> dict[str, np.ndarray]:
    """Returns encoder layer -> (n, heads, query, key) attention weights; a query's weights sum to 1 over the keys.

    Args:
        model: models.text.transformer.
        tokens: (n, sequence_length) int ids, 0 for padding.
    """
    blocks = [layer for layer in model.layers if isinstance(layer, keras_hub.layers.TransformerEncoder)]
    x = keras.Model(model.inputs[0], model.get_layer("embedding_dropout").output)(tokens, training=False)
    found = {}
    for block in blocks:
        x, weights = block(x, padding_mask=tokens != 0, return_attention_scores=True, training=False)
        found[block.name] = np.asarray(weights)
    return found


def attention_received(weights: np.ndarray, tokens: np.ndarray) -> list[np.ndarray]:
    """Returns for each text (its length,) the mean attention that each token gets from all tokens, over all heads.

    Args:
        weights: (n, heads, query, key) of one layer.
        tokens: (n, sequence_length) int ids, 0 for padding.
    """
    received = []
    for text, length in zip(weights.mean(1), (tokens != 0).sum(1), strict=True):
        received.append(text[:length, :length].mean(0))
    return received


def attention_reach(model: keras.Model, tokens: np.ndarray) -> list[AttentionReach]:
    """Returns each layer's attention by distance, over all tokens and heads; each text counts the same.

    Args:
        model, tokens: as for `attention_weights`.
    """
    time, lengths = tokens.shape[1], (tokens != 0).sum(1)
    away = np.abs(np.arange(time)[:, None] - np.arange(time))
    shares: dict[str, np.ndarray] = {}
    for start in range(0, len(tokens), BATCH_SIZE):
        rows = slice(start, start + BATCH_SIZE)
        for name, weights in attention_weights(model, tokens[rows]).items():
            total = shares.setdefault(name, np.zeros(time))
            for text, length in zip(weights.mean(1), lengths[rows], strict=True):
                near = away[:length, :length].ravel()
                total += np.bincount(near, text[:length, :length].ravel(), minlength=time) / length
    uniform = sum(np.bincount(away[:n, :n].ravel(), minlength=time) / n**2 for n in lengths)
    return [AttentionReach(name, total / len(tokens), uniform / len(tokens)) for name, total in shares.items()]


def reach_summary(reaches: Sequence[AttentionReach], far_distance: int = FAR) -> dict:
    """Returns what findings.json keeps of the reach: by layer, and over all layers alike.

    far_share is the share of attention that goes further than far_distance tokens.
    """
    share = np.mean([reach.share for reach in reaches], axis=0)
    uniform = np.mean([reach.uniform for reach in reaches], axis=0)
    distance = np.arange(len(share))
    return {
        "layers": [reach.summary() for reach in reaches],
        "mean_distance": float(share @ distance),
        "uniform_mean_distance": float(uniform @ distance),
        "median_distance": int(np.searchsorted(np.cumsum(share), 0.5)),
        "far_distance": far_distance,
        "far_share": float(share[far_distance + 1 :].sum()),
    }


def attention_examples(model: keras.Model, tokens: np.ndarray, token_of: Callable[[int], str]) -> list[dict]:
    """Returns {"tokens", "weights"} for each text: its tokens, and the attention that each gets in the last layer.

    Args:
        model: models.text.transformer.
        tokens: (n, sequence_length) int ids, 0 for padding.
        token_of: id -> token.
    """
    *_, weights = attention_weights(model, tokens).values()
    received = attention_received(weights, tokens)
    return [
        {"tokens": [token_of(int(token)) for token in row[: len(weight)]], "weights": weight}
        for row, weight in zip(tokens, received, strict=True)
    ]
