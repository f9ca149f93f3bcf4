"""Token ids on their way to a model."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tfhealth.config import TextTraining
from tfhealth.data.dataset import Split
from tfhealth.data.pipeline import shuffled_batches
from tfhealth.data.tokens import PADDING_ID, UNKNOWN_ID


@dataclass(frozen=True)
class TextFeed:
    """Feed of token ids: (batch, sequence_length) int32.

    Attributes:
        num_classes: width of the labels.
        token_dropout: share of the tokens that are unknown in training, drawn anew each time, so that no single word
            is relied on (word dropout; Iyyer et al. 2015, ACL, sec. 3.2).
        twice: a batch of training has each text twice, the second half in the order of the first.
    """

    num_classes: int
    token_dropout: float = 0.0
    twice: bool = False
    last_phase: ClassVar[int] = 0

    @classmethod
    def of(cls, config: TextTraining, num_classes: int) -> "TextFeed":
        return cls(num_classes, config.token_dropout, config.consistency > 0)

    def training(self, split: Split, *, batch_size: int, seed: int, epochs: range) -> tf.data.Dataset:
        return shuffled_batches(split, batch_size=batch_size, seed=seed, phases=[(epochs, self._prepare)])

    def evaluation(self, split: Split, batch_size: int, epoch: int | None = None) -> Iterator[np.ndarray]:
        for start in range(0, len(split), batch_size):
            yield split.x.take(slice(start, start + batch_size))

    def _prepare(self, tokens, labels, key):
        if self.twice:
            tokens, labels = tf.concat([tokens, tokens], 0), tf.concat([labels, labels], 0)
        if self.token_dropout:
            dropped = tf.random.stateless_uniform(tokens.shape, key) < self.token_dropout
            tokens = tf.where(dropped & (tokens != PADDING_ID), UNKNOWN_ID, tokens)
        return tokens, tf.one_hot(labels, self.num_classes)
