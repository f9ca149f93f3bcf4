"""Gradient norms and histograms of a running `fit`, taken from the gradients the optimizer receives anyway."""

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.histogram.metadata import create_summary_metadata
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.util.tensor_util import make_tensor_proto

# One bucket per power of two, read from the exponent bits of float32: no logarithm per element, same code under XLA.
# The bucket of 2^-41 (5e-13) holds everything smaller, zeros included; that of 2^13 everything larger, NaN and inf too.
LOWEST_EXPONENT, HIGHEST_EXPONENT = -41, 13
NUM_BUCKETS = HIGHEST_EXPONENT - LOWEST_EXPONENT + 1
LOG10_EDGES = np.arange(LOWEST_EXPONENT, HIGHEST_EXPONENT + 2) * np.log10(2.0)  # (NUM_BUCKETS + 1,)
WEIGHT_BUCKETS = 30  # what tf.summary.histogram draws


class GradientTracker(keras.callbacks.Callback):
    """Records gradient norms per layer and gradient and weight histograms per variable, without a second backward pass.

    During `fit` the optimizer's `apply` is wrapped, so that every `every_steps`-th update also writes its gradients'
    L2 norms and bucket counts into variables of this callback; the host reads them and writes once per epoch:

        gradient_norm/<layer name>   scalar, step = optimizer update: L2 norm over all trainable weights of the layer
        gradients/<variable path>    histogram of log10|g|, step = epoch: mean over the epoch's recorded updates
        weights/<variable path>      histogram, step = epoch: the values at the end of the epoch

    Gradients are those of the loss as trained on, before clipping and weight decay, with any loss scale divided out;
    over replicas those of the whole batch (see replicas.replicate).
    Rows of an embedding that occur repeatedly in a batch are summed first. Model and optimizer state do not change, and
    a checkpoint written during tracking is the one written without it.

    Attributes:
        history: [{"step": int, "norms": {layer name: float}}], one entry per recorded update; ready for JSON. A layer
            that no gradient reaches is absent; NaN means that the gradient itself was not finite.
    """

    def __init__(self, log_dir: Path | str, every_steps: int = 10) -> None:
        super().__init__()
        if every_steps < 1:
            raise ValueError(f"every_steps must be at least 1, got {every_steps}")
        self.log_dir = Path(log_dir)
        self.every_steps = every_steps
        self.history: list[dict] = []

    def on_train_begin(self, logs=None):
        self._variables = list(self.model.trainable_variables)
        if not self._variables:
            raise ValueError(f"model {self.model.name!r} has no trainable weights yet: build it before fit")
        self._layers = layer_of_each_variable(self.model)
        self._unreached: set[int] = set()
        self._step = tf.Variable(-1, dtype=tf.int64, trainable=False)  # the last recorded update
        self._norms = tf.Variable(tf.zeros(len(self._variables)), trainable=False)
        self._counts = tf.Variable(tf.zeros((len(self._variables), NUM_BUCKETS), tf.int32), trainable=False)
        self._written = len(self.history)
        self._last_read = -1
        self._writer = tf.summary.create_file_writer(str(self.log_dir))
        self._wrap(self.model.optimizer)
        self.model.make_train_function(force=True)  # fit's own was made before this callback ran

    def on_epoch_begin(self, epoch, logs=None):
        self._next_read = self.every_steps
        self._sum_of_counts = np.zeros((len(self._variables), NUM_BUCKETS), np.int64)
        self._num_summed = 0

    def on_train_batch_begin(self, batch, logs=None):
        # At the beginning, because a callback with `on_train_batch_end` makes Keras run all callbacks synchronously.
        if batch >= self._next_read:
            self._read()
            self._next_read = batch + self.every_steps

    def on_epoch_end(self, epoch, logs=None):
        self._read()
        # One record for all histograms: a call of tf.summary for each would cost more than the counting.
        histograms = Summary(value=[*self._gradient_histograms(), *self._weight_histograms()])
        with self._writer.as_default():
            self._write_norms()
            tf.summary.experimental.write_raw_pb(histograms.SerializeToString(), step=epoch)
        self._writer.flush()

    def on_train_end(self, logs=None):
        if self._earlier_apply is None:
            del self._optimizer.apply  # the instance's attribute: the class's own method shows again
        else:
            self._optimizer.apply = self._earlier_apply
        self.model.train_function = None  # the next fit builds a plain one
        self._writer.close()

    def _wrap(self, optimizer: keras.Optimizer) -> None:
        """Puts the recording before `apply`; inside a LossScaleOptimizer, where gradients are unscaled and finite."""
        self._optimizer = optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        self._earlier_apply = vars(optimizer).get("apply")  # another wrapper's
        plain_apply = optimizer.apply

        def apply(grads, trainable_variables=None):
            variables = self._variables if trainable_variables is None else trainable_variables
            self._record({id(variable): grad for variable, grad in zip(variables, grads, strict=True)})
            return plain_apply(grads, trainable_variables)

        optimizer.apply = apply

    def _record(self, gradient_of: dict) -> None:
        """Adds to the traced train step: norms and counts into variables, at every `every_steps`-th update."""
        update = tf.cast(tf.convert_to_tensor(self._optimizer.iterations), tf.int64)
        scale = self._optimizer.loss_scale_factor or 1.0
        gradients = [gradient_of.get(id(variable)) for variable in self._variables]
        self._unreached = {i for i, gradient in enumerate(gradients) if gradient is None}

        def measure():
            measured = [_norm_and_counts(g, v.shape, scale) for g, v in zip(gradients, self._variables, strict=True)]
            self._norms.assign([norm for norm, _ in measured])
            self._counts.assign([counts for _, counts in measured])
            self._step.assign(update)
            return True

        tf.cond(tf.equal(update % self.every_steps, 0), measure, lambda: False)

    def _read(self) -> None:
        """Takes over the last recorded update, once."""
        step = int(self._step.numpy())
        if step == self._last_read:
            return
        self._last_read = step
        self._sum_of_counts += self._counts.numpy()
        self._num_summed += 1
        squares: dict[str, float] = {}
        for i, (variable, norm) in enumerate(zip(self._variables, self._norms.numpy().tolist(), strict=True)):
            if i not in self._unreached:
                layer = self._layers[id(variable)]
                squares[layer] = squares.get(layer, 0.0) + norm**2
        self.history.append({"step": step, "norms": {layer: square**0.5 for layer, square in squares.items()}})

    def _write_norms(self) -> None:
        for entry in self.history[self._written :]:
            summary = Summary()
            for layer, norm in entry["norms"].items():
                summary.value.extend(scalar_pb(f"gradient_norm/{layer}", norm).value)
            tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step=entry["step"])
        self._written = len(self.history)

    def _gradient_histograms(self) -> Iterator[Summary.Value]:
        for i, variable in enumerate(self._variables if self._num_summed else ()):
            if i not in self._unreached:
                counts = self._sum_of_counts[i] / self._num_summed
                yield from histogram(f"gradients/{variable.path}", counts, LOG10_EDGES)

    def _weight_histograms(self) -> Iterator[Summary.Value]:
        # numpy, because tf.summary.histogram one-hot encodes every value: 3 s and 0.6 GB for a 3x3x512x512 kernel.
        for variable in self.model.weights:
            values = tf.cast(variable.value, tf.float32).numpy()
            counts, edges = np.histogram(values[np.isfinite(values)], bins=WEIGHT_BUCKETS)
            yield from histogram(f"weights/{variable.path}", counts, edges)


def histogram(tag: str, counts: np.ndarray, edges: np.ndarray) -> Iterator[Summary.Value]:
    """Yields what TensorBoard draws for ready-made buckets; nothing if all are empty.

    Args:
        tag: what TensorBoard calls it.
        counts: (k,) values per bucket; empty buckets at both ends are left out.
        edges: (k + 1,) rising bucket edges.
    """
    filled = np.flatnonzero(counts)
    if len(filled):
        shown = slice(filled[0], filled[-1] + 1)
        buckets = np.stack([edges[:-1], edges[1:], counts], axis=1)[shown]  # (k, [left, right, count])
        metadata = create_summary_metadata(display_name=None, description=None)
        yield Summary.Value(tag=tag, metadata=metadata, tensor=make_tensor_proto(buckets, np.float64))


def layer_of_each_variable(model: keras.Model, prefix: str = "") -> dict[int, str]:
    """Returns id(variable) -> name of the layer of `model` it belongs to; "<model>/<layer>" inside a nested model."""
    names: dict[int, str] = {}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            inner = layer_of_each_variable(layer, f"{prefix}{layer.name}/")
        else:
            inner = {id(variable): prefix + layer.name for variable in layer.trainable_variables}
        names = inner | names  # a shared layer keeps its first name
    for variable in model.trainable_variables:
        names.setdefault(id(variable), prefix + model.name)  # a weight of the model itself
    return names


def _norm_and_counts(gradient, shape: tuple, scale: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the L2 norm, float32 (), and the number of elements per power of two, int32 (NUM_BUCKETS,)."""
    if gradient is None:
        return tf.constant(np.nan, tf.float32), tf.zeros(NUM_BUCKETS, tf.int32)
    if isinstance(gradient, tf.IndexedSlices):  # (rows looked up, width) -> (vocabulary, width)
        gradient = tf.math.unsorted_segment_sum(gradient.values, gradient.indices, shape[0])
    flat = tf.reshape(tf.cast(gradient, tf.float32), [-1]) / scale
    norm = tf.norm(tf.cast(flat, tf.float64))  # float32 would square 1e-23 to 0
    exponent = tf.bitwise.right_shift(tf.bitcast(tf.abs(flat), tf.int32), 23) - 127
    bucket = tf.clip_by_value(exponent, LOWEST_EXPONENT, HIGHEST_EXPONENT) - LOWEST_EXPONENT
    return tf.cast(norm, tf.float32), tf.math.unsorted_segment_sum(tf.ones_like(bucket), bucket, NUM_BUCKETS)
