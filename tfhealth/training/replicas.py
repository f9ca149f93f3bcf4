"""One training over several replicas, devices or processes, that together do the steps of one process.

Every replica takes its share of each batch. What a step needs of the whole batch it gets by a sum over all replicas:
gradients (before anything is done with them), batch statistics, and the terms of a loss that are no plain mean.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

import keras
import tensorflow as tf
from keras import ops

from tfhealth.errors import UserError

SEEDS_APART = 1_000_003  # of two replicas' dropout

_strategy: ContextVar[tf.distribute.Strategy | None] = ContextVar("strategy", default=None)


@contextmanager
def over_devices(names: Sequence[str]) -> Iterator[None]:
    """Spreads the trainings of the block over devices of this machine, such as ("GPU:0", "GPU:1").

    Sums are made on one device: TensorFlow 2.21's collective ones mixed up those of batch statistics with gradients.
    """
    with _over(tf.distribute.MirroredStrategy(names, tf.distribute.ReductionToOneDevice())):
        yield


@contextmanager
def over_processes() -> Iterator[None]:
    """Spreads the trainings of the block over the processes that TF_CONFIG names, which all have to run the same.

    To be entered before TensorFlow has done anything.
    """
    with _over(tf.distribute.MultiWorkerMirroredStrategy()):
        yield


@contextmanager
def _over(strategy: tf.distribute.Strategy) -> Iterator[None]:
    token = _strategy.set(strategy)
    try:
        yield
    finally:
        _strategy.reset(token)


def gpus() -> list[str]:
    """Returns the names of this machine's GPUs."""
    return [f"GPU:{number}" for number in range(len(tf.config.list_physical_devices("GPU")))]


def scope() -> AbstractContextManager:
    """Returns where a model and its optimizer have to be made, so that every replica has their variables."""
    strategy = _strategy.get()
    return nullcontext() if strategy is None else strategy.scope()


def replicate(model: keras.Model) -> None:
    """Makes a compiled model, made in `scope`, fit for `fit` over the replicas; without any it stays as it is.

    - Dropout differs between replicas, and gradients are summed before the optimizer gets them: what it clips, or what
      is recorded of it, is the gradient of the whole batch.
    - Keras 3.15 cannot read the shapes of a batch that is spread over processes, and wants logs with an axis to reduce
      (keras-team/keras#20585).
    - Each process predicts for itself what it asks for; Keras would gather all processes' answers.

    Args:
        model: a functional model, or one whose `parts`, name -> functional model, are trained together. Its own
            train step scales its loss by `own_share` and calls the optimizer's `apply_gradients`.
    """
    strategy = _strategy.get()
    if strategy is None:
        return
    for part in networks(model):
        part.predict_on_batch = _predictor(part)
        for layer in part._flatten_layers():
            if hasattr(layer, "seed_generator"):
                layer.seed_generator.next = _own_seeds(layer.seed_generator.next)
    model._maybe_symbolic_build = lambda **_: None  # all is built
    model.train_step = _reducible(model.train_step, strategy)
    model.optimizer.apply_gradients = _apply_sums(model.optimizer)
    model.optimizer._all_reduce_sum_gradients = list  # it is done


def networks(model: keras.Model) -> list[keras.Model]:
    """Returns the functional models that a model consists of."""
    return list(getattr(model, "parts", {"": model}).values())


def callbacks() -> list[keras.callbacks.Callback]:
    """Returns those of a training over replicas; they have to stand behind all that add to an epoch's logs."""
    return [] if (strategy := _strategy.get()) is None else [SameStatistics(), SameLogs(strategy)]


def shares(batches: tf.data.Dataset, batch_size: int):
    """Returns the batches as each replica takes its rows of them; without replicas the batches.

    The n-th of N replicas has the n-th of N equal parts; where a batch is the same examples several times, of each.

    Args:
        batches: tuples of arrays with the examples along the first axis, in whole batches.
        batch_size: different examples in a batch.

    Raises:
        UserError: the batch cannot be divided.
    """
    strategy = _strategy.get()
    if strategy is None:
        return batches
    count = strategy.num_replicas_in_sync
    check_divides(count, batch_size)

    def own(context: tf.distribute.InputContext) -> tf.data.Dataset:
        here = count // context.num_input_pipelines
        first = here * context.input_pipeline_id

        def split(*arrays):
            return tuple(_parts(array, count, batch_size)[first : first + here] for array in arrays)

        return batches.map(split).unbatch().repeat()  # without end: TensorFlow would ask all, each step, if it is there

    return strategy.distribute_datasets_from_function(own)


def check_divides(count: int, batch_size: int) -> None:
    """Raises UserError if a batch cannot be divided evenly."""
    if batch_size % count:
        raise UserError(
            f"--data-parallel {count}: a batch of {batch_size} examples cannot be divided by {count}, and with unequal "
            "shares the steps would be others than in one process"
        )


def joint_sum(x):
    """Returns the sum of x over all replicas, to which gradients flow; x where there is one."""
    context = tf.distribute.get_replica_context()
    alone = context is None or context.num_replicas_in_sync == 1
    return x if alone else context.all_reduce(tf.distribute.ReduceOp.SUM, x)


def joint_mean(x, axis=None):
    """Returns the mean along an axis of examples over all replicas."""
    return own_share(joint_sum(ops.mean(x, axis=axis)))


def own_share(loss):
    """Returns a replica's part of a loss, such that the sum over all is the loss of the whole batch."""
    return loss / tf.distribute.get_strategy().num_replicas_in_sync


def own_rows(draw: Callable, count, copies: int = 1):
    """Returns (count, ...) this replica's rows of what `draw` makes for the whole batch.

    Args:
        draw: number of rows -> (rows, ...), the same on every replica.
        count: own rows.
        copies: a batch is the same examples so many times, one after the other.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return draw(count)
    number = context.num_replicas_in_sync
    drawn = draw(count * number)
    parts = ops.reshape(drawn, (copies, number, count // copies, *drawn.shape[1:]))
    return ops.reshape(parts[:, context.replica_id_in_sync_group], (count, *drawn.shape[1:]))


class SameStatistics(keras.callbacks.Callback):
    """Batch normalisation uses the statistics of the whole batch while training goes on, and is saved as ever."""

    def on_train_begin(self, logs=None):
        self._synchronise(True)

    def on_train_end(self, logs=None):
        self._synchronise(False)

    def _synchronise(self, value: bool) -> None:
        for part in networks(self.model):
            for layer in part._flatten_layers():
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.synchronized = value


class SameLogs(keras.callbacks.Callback):
    """Gives all processes the first one's logs of an epoch: scores that differ in a last bit must not part them."""

    def __init__(self, strategy: tf.distribute.Strategy):
        super().__init__()

        def first_one_s(values):
            context = tf.distribute.get_replica_context()
            mine = tf.where(tf.equal(context.replica_id_in_sync_group, 0), values, tf.zeros_like(values))
            return context.all_reduce(tf.distribute.ReduceOp.SUM, mine)

        @tf.function
        def agree(values):
            return strategy.experimental_local_results(strategy.run(first_one_s, args=(values,)))[0]

        self._agree = agree

    def on_epoch_end(self, epoch, logs=None):
        names = sorted(logs)
        values = self._agree(tf.constant([float(logs[name]) for name in names], tf.float64))
        logs.update(zip(names, values.numpy().tolist(), strict=True))


def _parts(array: tf.Tensor, count: int, batch_size: int) -> tf.Tensor:
    """(copies * batch_size, ...) -> (count, copies * batch_size / count, ...)."""
    copies, share = array.shape[0] // batch_size, batch_size // count
    rest = tf.shape(array)[1:]
    parts = tf.reshape(array, tf.concat([[copies, count, share], rest], 0))
    parts = tf.transpose(parts, (1, 0, *range(2, parts.shape.rank)))
    found = tf.reshape(parts, tf.concat([[count, copies * share], rest], 0))
    return tf.ensure_shape(found, (count, copies * share, *array.shape[1:]))


def _predictor(part: keras.Model) -> Callable:
    call = tf.function(lambda rows: part(rows, training=False), autograph=False, reduce_retracing=True)
    return lambda rows: keras.tree.map_structure(lambda found: found.numpy(), call(rows))


def _own_seeds(plain: Callable) -> Callable:
    def next_seed(ordered=True):
        seed, context = plain(ordered), tf.distribute.get_replica_context()
        return seed if context is None else seed + _offset(context.replica_id_in_sync_group, seed.dtype)

    return next_seed


def _offset(replica, dtype) -> tf.Tensor:
    return tf.cast(tf.stack([replica * SEEDS_APART, 0]), dtype)


def _reducible(train_step: Callable, strategy: tf.distribute.Strategy) -> Callable:
    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)

    def step(data):
        return {name: ops.reshape(value, (1,) if several else ()) for name, value in train_step(data).items()}

    return step


def _apply_sums(optimizer: keras.Optimizer) -> Callable:
    def apply_gradients(grads_and_vars):
        gradients, variables = zip(*grads_and_vars, strict=True)
        context = tf.distribute.get_replica_context()
        found = [gradient for gradient in gradients if gradient is not None]
        sums = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, found))
        optimizer.apply([None if gradient is None else next(sums) for gradient in gradients], variables)

    return apply_gradients
