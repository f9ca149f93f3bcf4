"""Split -> tf.data: batches whose order and changes depend only on (seed, epoch, step), so that a run can resume."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce
from typing import Protocol

import numpy as np
import tensorflow as tf

from tfhealth.data.dataset import Split

# (batch of rows, labels (batch,) int32, key (2,) int64 for stateless random draws) -> what the model is fed
Prepare = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


class Feed(Protocol):
    """How a split of one modality reaches a model.

    Attributes:
        last_phase: the first epoch of the form that training ends with; only from there on losses compare.
    """

    last_phase: int

    def training(self, split: Split, *, batch_size: int, seed: int, epochs: Sequence[int]) -> tf.data.Dataset:
        """Returns the shuffled, augmented batches of `epochs` with labels (batch, num_classes); whole batches only."""
        ...

    def evaluation(self, split: Split, batch_size: int, epoch: int | None = None) -> Iterator[np.ndarray]:
        """Yields the split in its order, unchanged but for the form that it has in `epoch`; None: as in use."""
        ...


def shuffled_batches(
    split: Split, *, batch_size: int, seed: int, phases: Sequence[tuple[Sequence[int], Prepare]]
) -> tf.data.Dataset:
    """Returns the batches of all phases, one epoch after the other, whole batches only; a smaller split is one batch.

    A batch is what `prepare` makes of rows and labels, once or several times as many; of a split with weights, these
    follow as a third element.

    Args:
        split: the training split; its rows are read batch by batch, so memory does not grow with it.
        seed: together with the number of the epoch it sets the order.
        phases: the epochs, and how they prepare a batch; a phase has one shape of batch.
    """
    steps = steps_per_epoch(split, batch_size)
    batch_size = min(batch_size, len(split))

    weights = np.ones(len(split), np.float32) if split.weights is None else split.weights

    def rows(epochs: Sequence[int]) -> Iterator[tuple[np.ndarray, ...]]:
        for epoch in epochs:
            order = np.random.default_rng((seed, epoch)).permutation(len(split))
            for step in range(steps):
                chosen = np.sort(order[step * batch_size : (step + 1) * batch_size])  # sorted: rows lie in file order
                key = np.array([seed, epoch * steps + step], np.int64)
                yield split.x.take(chosen), split.y[chosen], key, weights[chosen]

    signature = (
        tf.TensorSpec((batch_size, *split.x.shape[1:]), split.x.dtype),
        tf.TensorSpec((batch_size,), tf.int32),
        tf.TensorSpec((2,), tf.int64),
        tf.TensorSpec((batch_size,), tf.float32),
    )

    def prepared(prepare: Prepare, batch, labels, key, weights):
        made = prepare(batch, labels, key)
        return made if split.weights is None else (*made, tf.tile(weights, [len(made[1]) // batch_size]))

    parts = [
        tf.data.Dataset.from_generator(partial(rows, epochs), output_signature=signature).map(
            partial(prepared, prepare), num_parallel_calls=1
        )
        for epochs, prepare in phases
    ]
    batches = reduce(tf.data.Dataset.concatenate, parts)
    total = steps * sum(len(epochs) for epochs, _ in phases)
    return batches.apply(tf.data.experimental.assert_cardinality(total)).prefetch(2)


def steps_per_epoch(split: Split, batch_size: int) -> int:
    """Returns the number of whole batches in the split; at least 1."""
    return max(1, len(split) // batch_size)
