import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tfhealth.training.gradients import LOG10_EDGES, NUM_BUCKETS, GradientTracker, layer_of_each_variable

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(32, 6, 6, 3)).astype("float32")
TOKENS = np.array([[1, 1, 1, 2], [2, 5, 5, 1]] * 16)  # ids repeat within a row and across rows
LABELS = np.arange(32) % 3


def conv_net() -> keras.Model:
    keras.utils.set_random_seed(3)
    inputs = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(keras.layers.ReLU(name="relu")(x))
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(x), name="conv_net")


def text_net() -> keras.Model:
    keras.utils.set_random_seed(3)
    inputs = keras.Input((4,), dtype="int32")
    x = keras.layers.Embedding(7, 5, name="token_embedding")(inputs)
    x = keras.layers.GlobalAveragePooling1D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(x), name="text_net")


def dense_net() -> keras.Model:
    keras.utils.set_random_seed(3)
    inputs = keras.Input((4,))
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Dense(6, name="hidden")(inputs))
    x = keras.layers.Dropout(0.3, name="dropout")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(x), name="dense_net")


def fit(model, x, *callbacks, optimizer=None, jit_compile=False, epochs=1, batch_size=32, **compile_options):
    model.compile(optimizer or keras.optimizers.SGD(0.1), LOSS, jit_compile=jit_compile, **compile_options)
    model.fit(x, LABELS, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0, callbacks=list(callbacks))
    return model


def tape_gradients(model, x) -> dict[str, np.ndarray]:
    with tf.GradientTape() as tape:
        loss = LOSS(LABELS, model(x, training=True))
    pairs = zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True)
    return {variable.path: tf.convert_to_tensor(gradient).numpy() for variable, gradient in pairs}


def tape_norms(model, x) -> dict[str, float]:
    squares: dict[str, float] = {}
    for path, gradient in tape_gradients(model, x).items():
        layer = path.split("/")[0]
        squares[layer] = squares.get(layer, 0.0) + np.sum(gradient.astype("float64") ** 2)
    return {layer: square**0.5 for layer, square in squares.items()}


def events(folder) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), {"tensors": 0})
    accumulator.Reload()
    return accumulator


def histogram(accumulator, tag, index=-1) -> np.ndarray:
    return tf.make_ndarray(accumulator.Tensors(tag)[index].tensor_proto)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(("build", "x"), [(conv_net, IMAGES), (text_net, TOKENS)])
def test_norms_equal_the_tape_on_the_same_batch(tmp_path, build, x, jit_compile):
    tracker = GradientTracker(tmp_path, every_steps=1)
    fit(build(), x, tracker, jit_compile=jit_compile)
    (entry,) = tracker.history
    assert entry["step"] == 0
    # float32 gradients, summed in another order by another executor: XLA differs a little more than one rounding
    tolerance = 1e-5 if jit_compile else 1e-6
    assert entry["norms"] == pytest.approx(tape_norms(build(), x), rel=tolerance)


def test_repeated_embedding_rows_are_summed_before_the_norm(tmp_path):
    tracker = GradientTracker(tmp_path, every_steps=1)
    fit(text_net(), TOKENS, tracker)
    per_row = tape_gradients(text_net(), TOKENS)["token_embedding/embeddings"]  # (vocabulary, width), densified by TF
    assert np.count_nonzero(per_row.any(axis=1)) == 3  # ids 1, 2, 5
    norm = tracker.history[0]["norms"]["token_embedding"]
    assert norm == pytest.approx(np.linalg.norm(per_row), rel=1e-6)  # one float32 rounding
    counts = histogram(events(tmp_path), "gradients/token_embedding/embeddings")[:, 2]
    assert counts.sum() == 7 * 5
    assert counts[0] == 4 * 5  # rows never looked up have a zero gradient: the lowest bucket


def test_histogram_counts_match_numpy_for_every_variable(tmp_path):
    fit(conv_net(), IMAGES, GradientTracker(tmp_path, every_steps=1))
    accumulator = events(tmp_path)
    for path, gradient in tape_gradients(conv_net(), IMAGES).items():
        shown = histogram(accumulator, f"gradients/{path}")
        assert shown[:, 2].sum() == gradient.size
        log10 = np.log10(np.clip(np.abs(gradient.astype("float64")), 1e-12, None))
        expected, _ = np.histogram(log10, bins=LOG10_EDGES)
        first = np.flatnonzero(np.isclose(LOG10_EDGES, shown[0, 0]))[0]
        counts = np.zeros(NUM_BUCKETS)
        counts[first : first + len(shown)] = shown[:, 2]
        # a value within one rounding of a power of two, or of zero, may fall on the other side
        assert np.abs(counts - expected).sum() <= 2 + 2 * np.sum(np.abs(gradient) < 1e-8), path


@pytest.mark.parametrize("jit_compile", [False, True])
def test_tracking_leaves_weights_and_state_unchanged(tmp_path, jit_compile):
    options = {"jit_compile": jit_compile, "epochs": 3, "batch_size": 8}
    x = RNG.normal(size=(32, 4)).astype("float32")
    plain = fit(dense_net(), x, optimizer=keras.optimizers.AdamW(0.01), **options)
    tracker = GradientTracker(tmp_path, every_steps=2)
    tracked = fit(dense_net(), x, tracker, optimizer=keras.optimizers.AdamW(0.01), **options)
    states = [keras.tree.flatten_with_path(m.get_state_tree(value_format="numpy_array")) for m in (plain, tracked)]
    # optimizers get a running number in their name ("adam_w", "adam_w_1"): compare what follows it
    assert len(states[0]) == len(states[1])
    for (path, value), (tracked_path, tracked_value) in zip(*states, strict=True):
        assert path[-1] == tracked_path[-1]
        # exact, except that XLA may fuse the update differently with another reader of the gradient
        np.testing.assert_allclose(value, tracked_value, rtol=1e-4 if jit_compile else 0, atol=1e-6 * jit_compile)


def test_optimizer_and_train_function_are_restored(tmp_path):
    model = fit(conv_net(), IMAGES, GradientTracker(tmp_path))
    assert "apply" not in vars(model.optimizer)
    assert model.train_function is None
    model.fit(IMAGES, LABELS, verbose=0)  # and it still trains


def test_another_wrapper_of_apply_is_kept(tmp_path):
    optimizer = keras.optimizers.SGD(0.1)
    calls = []
    inner = optimizer.apply

    def counting(grads, trainable_variables=None):
        calls.append(len(grads))
        return inner(grads, trainable_variables)

    optimizer.apply = counting
    fit(conv_net(), IMAGES, GradientTracker(tmp_path), optimizer=optimizer)
    assert calls == [6]  # traced once
    assert optimizer.apply is counting


@pytest.mark.parametrize("every_steps", [1, 3, 4])
def test_every_nth_update_is_recorded_across_epochs(tmp_path, every_steps):
    tracker = GradientTracker(tmp_path, every_steps=every_steps)
    fit(conv_net(), IMAGES, tracker, epochs=3, batch_size=6)  # 6 updates an epoch
    expected = list(range(0, 18, every_steps))
    assert [entry["step"] for entry in tracker.history] == expected
    accumulator = events(tmp_path)
    assert [event.step for event in accumulator.Tensors("gradient_norm/conv")] == expected
    written = [float(tf.make_ndarray(e.tensor_proto)) for e in accumulator.Tensors("gradient_norm/logits")]
    assert written == pytest.approx([entry["norms"]["logits"] for entry in tracker.history], rel=1e-6)  # float32
    assert json.loads(json.dumps(tracker.history)) == tracker.history


def test_second_fit_continues_the_history_with_the_optimizers_step(tmp_path):
    tracker = GradientTracker(tmp_path, every_steps=2)
    model = fit(conv_net(), IMAGES, tracker, batch_size=8)
    model.fit(IMAGES, LABELS, batch_size=8, initial_epoch=1, epochs=2, verbose=0, callbacks=[tracker])
    assert [entry["step"] for entry in tracker.history] == [0, 2, 4, 6]
    accumulator = events(tmp_path)
    assert [event.step for event in accumulator.Tensors("gradient_norm/conv")] == [0, 2, 4, 6]
    assert [event.step for event in accumulator.Tensors("gradients/conv/kernel")] == [0, 1]


def test_loss_scaling_is_divided_out(tmp_path):
    expected = tape_norms(conv_net(), IMAGES)
    scaled = [keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=1024.0)]
    scaled.append(keras.optimizers.SGD(0.1, loss_scale_factor=1024.0))
    for number, optimizer in enumerate(scaled):
        tracker = GradientTracker(tmp_path / str(number), every_steps=1)
        fit(conv_net(), IMAGES, tracker, optimizer=optimizer)
        assert tracker.history[0]["norms"] == pytest.approx(expected, rel=1e-5)  # rounding of the scaled backward pass
        assert "apply" not in vars(getattr(optimizer, "inner_optimizer", optimizer))


def test_clipping_does_not_hide_the_gradient(tmp_path):
    tracker = GradientTracker(tmp_path, every_steps=1)
    fit(conv_net(), IMAGES, tracker, optimizer=keras.optimizers.SGD(0.1, global_clipnorm=1e-3))
    assert tracker.history[0]["norms"] == pytest.approx(tape_norms(conv_net(), IMAGES), rel=1e-6)  # one rounding


@pytest.mark.parametrize("options", [{"run_eagerly": True}, {"steps_per_execution": 2}])
def test_eager_and_several_steps_per_execution_are_tracked(tmp_path, options):
    tracker = GradientTracker(tmp_path, every_steps=2)
    fit(conv_net(), IMAGES, tracker, batch_size=8, **options)
    assert [entry["step"] for entry in tracker.history] == [0, 2]


def test_layer_without_gradient_is_absent_and_a_nan_gradient_is_nan(tmp_path):
    inputs = keras.Input((4,))
    x = keras.layers.Dense(3, name="used")(inputs)
    cut = keras.layers.Lambda(lambda t: keras.ops.stop_gradient(t), name="cut")(
        keras.layers.Dense(3, name="unreached")(inputs)
    )
    model = keras.Model(inputs, keras.layers.Add(name="sum")([x, cut]))
    tracker = GradientTracker(tmp_path, every_steps=1)
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        fit(model, np.full((32, 4), np.nan, "float32"), tracker)
    assert set(tracker.history[0]["norms"]) == {"used"}
    assert np.isnan(tracker.history[0]["norms"]["used"])
    assert "gradient_norm/unreached" not in events(tmp_path).Tags()["tensors"]


def test_weight_histograms_cover_every_weight_each_epoch(tmp_path):
    model = fit(conv_net(), IMAGES, GradientTracker(tmp_path), epochs=2)
    accumulator = events(tmp_path)
    for variable in model.weights:
        tag = f"weights/{variable.path}"
        assert [event.step for event in accumulator.Tensors(tag)] == [0, 1]
        assert accumulator.SummaryMetadata(tag).plugin_data.plugin_name == "histograms"
        last, values = histogram(accumulator, tag), variable.numpy()
        assert last[:, 2].sum() == values.size
        if values.min() < values.max():
            assert last[[0, -1], [0, 1]] == pytest.approx([values.min(), values.max()], rel=1e-6)  # float32


def test_variables_of_nested_models_and_wrappers_are_named_by_layer():
    inner = conv_net()
    inputs = keras.Input((6, 6, 3))
    sequence = keras.layers.Reshape((3, 1), name="sequence")(inner(inputs))
    model = keras.Model(inputs, keras.layers.Bidirectional(keras.layers.LSTM(2), name="both_ways")(sequence))
    names = layer_of_each_variable(model)
    found = {names[id(variable)] for variable in model.trainable_variables}
    assert found == {"conv_net/conv", "conv_net/norm", "conv_net/logits", "both_ways"}


def test_every_steps_below_one_is_refused(tmp_path):
    with pytest.raises(ValueError, match="every_steps"):
        GradientTracker(tmp_path, every_steps=0)
