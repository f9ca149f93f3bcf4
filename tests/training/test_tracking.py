import json
import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.graph.keras_util import keras_model_to_graph_def
from tensorboard.plugins.hparams import metadata as hparams_metadata

from tfhealth.training import tracking
from tfhealth.training.gradients import GradientTracker

X = np.random.default_rng(0).normal(size=(24, 4)).astype("float32")
Y = np.arange(24) % 3


def dense_net() -> keras.Model:
    inputs = keras.Input((4,))
    x = keras.layers.Dense(5, name="hidden")(inputs)
    x = keras.layers.Add(name="residual")([x, keras.layers.Dense(5, name="branch")(x)])
    return keras.Model(inputs, keras.layers.Dense(3, name="logits")(x), name="dense_net")


def compiled(optimizer=None) -> keras.Model:
    model = dense_net()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or keras.optimizers.SGD(0.5), loss, metrics=["accuracy"], jit_compile=False)
    return model


def fit(model, callbacks, **options):
    return model.fit(X, Y, batch_size=8, validation_data=(X, Y), verbose=0, callbacks=callbacks, **options).history


def events(folder) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), {"tensors": 0})
    accumulator.Reload()
    return accumulator


def series(accumulator, tag) -> dict[int, float]:
    return {e.step: float(tf.make_ndarray(e.tensor_proto)) for e in accumulator.Tensors(tag)}


def plugin(accumulator, tag) -> str:
    return accumulator.SummaryMetadata(tag).plugin_data.plugin_name


def test_epoch_logger_writes_what_history_holds(tmp_path):
    history = fit(compiled(), [tracking.EpochLogger(tmp_path)], epochs=3)
    for split, prefix in (("train", ""), ("validation", "val_")):
        accumulator = events(tmp_path / split)
        for name in ("loss", "accuracy"):
            logged = series(accumulator, f"epoch_{name}")
            assert list(logged) == [0, 1, 2]
            assert list(logged.values()) == pytest.approx(history[prefix + name], rel=1e-6)  # float32


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras 3.15's callback under numpy 2.4
def test_epoch_logger_has_the_folders_and_tags_of_keras(tmp_path):
    callbacks = [tracking.EpochLogger(tmp_path / "ours"), keras.callbacks.TensorBoard(tmp_path / "keras")]
    fit(compiled(), callbacks, epochs=2)
    for split in ("train", "validation"):
        ours, theirs = (events(tmp_path / name / split) for name in ("ours", "keras"))
        expected = {tag for tag in theirs.Tags()["tensors"] if not tag.startswith("evaluation_")}
        assert set(ours.Tags()["tensors"]) == expected
        for tag in expected - {"keras"}:
            assert series(ours, tag) == series(theirs, tag)


def test_learning_rate_follows_the_schedule(tmp_path):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, decay_steps=3, decay_rate=0.1)  # 3 updates an epoch
    fit(compiled(keras.optimizers.SGD(schedule)), [tracking.EpochLogger(tmp_path)], epochs=2)
    logged = series(events(tmp_path / "train"), "epoch_learning_rate")
    assert logged == pytest.approx({0: 0.05, 1: 0.005}, rel=1e-6)  # float32


def test_learning_rate_of_wrapped_and_combined_optimizers_is_found():
    wrapped = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.25))
    assert tracking.learning_rates(wrapped) == {"learning_rate": 0.25}
    parts = [keras.optimizers.SGD(0.25, name="head"), keras.optimizers.SGD(0.5, name="body")]
    combined = keras.optimizers.MultiOptimizer(lambda variable: parts["hidden" in variable.path])
    combined.build(dense_net().trainable_variables)
    assert tracking.learning_rates(combined) == {"learning_rate_head": 0.25, "learning_rate_body": 0.5}


def test_resumed_run_continues_its_curves(tmp_path):
    fit(compiled(), tracking.tracking_callbacks(tmp_path, gradients=True), epochs=2)
    fit(compiled(), tracking.tracking_callbacks(tmp_path, gradients=True), initial_epoch=2, epochs=4)
    assert list(series(events(tmp_path / "train"), "epoch_loss")) == [0, 1, 2, 3]
    assert list(series(events(tmp_path / "validation"), "epoch_loss")) == [0, 1, 2, 3]
    weights = events(tmp_path / "gradients").Tensors("weights/hidden/kernel")
    assert [event.step for event in weights] == [0, 1, 2, 3]


def test_every_epoch_is_on_disk_when_it_ends(tmp_path):
    seen = []
    reader = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(len(series(events(tmp_path / "train"), "epoch_loss")))
    )
    fit(compiled(), [*tracking.tracking_callbacks(tmp_path, gradients=True), reader], epochs=2)
    assert seen == [1, 2]


def test_tracking_callbacks_add_gradients_only_when_asked(tmp_path):
    assert [type(c) for c in tracking.tracking_callbacks(tmp_path, gradients=False)] == [tracking.EpochLogger]
    both = tracking.tracking_callbacks(tmp_path, gradients=True, every_steps=3)
    assert [type(c) for c in both] == [tracking.EpochLogger, GradientTracker]
    assert both[1].every_steps == 3
    assert not any(tmp_path.iterdir())  # nothing is written before training


def test_graph_holds_every_layer_and_its_inputs(tmp_path):
    tracking.write_graph(tmp_path, dense_net())
    accumulator = events(tmp_path)
    assert plugin(accumulator, "keras") == "graph_keras_model"
    config = json.loads(tf.make_ndarray(accumulator.Tensors("keras")[0].tensor_proto).item())
    inputs = {node.name: list(node.input) for node in keras_model_to_graph_def(config).node}  # as the Graphs tab does
    assert inputs["dense_net/residual"] == ["dense_net/hidden", "dense_net/branch"]
    assert {"dense_net/logits", "dense_net/branch"} < set(inputs)
    opened_with = tf.compat.v1.GraphDef.FromString(accumulator.Graph().SerializeToString())
    assert {node.name: list(node.input) for node in opened_with.node} == inputs


def test_scores_measured_alike_on_train_and_validation_share_a_chart(tmp_path):
    logger = tracking.EpochLogger(tmp_path)
    logger.set_model(compiled())
    logger.on_epoch_end(0, {"loss": 3.0, "train_loss": 1.0, "val_loss": 2.0})
    logger.on_train_end()
    train, validation = events(tmp_path / "train"), events(tmp_path / "validation")
    assert (series(train, "epoch_loss"), series(validation, "epoch_loss")) == ({0: 1.0}, {0: 2.0})
    assert series(train, "epoch_objective") == {0: 3.0}


def test_graph_of_a_subclassed_model_is_refused_and_skipped_in_training(tmp_path):
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.logits = keras.layers.Dense(3)

        def call(self, x):
            return self.logits(x)

    model = Subclassed()
    with pytest.raises(ValueError, match="neither functional nor sequential"):
        tracking.write_graph(tmp_path, model)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match="build it before fit"):
        fit(model, [GradientTracker(tmp_path / "gradients")], epochs=1)
    model(X)  # builds it
    fit(model, tracking.tracking_callbacks(tmp_path, gradients=True), epochs=1)
    assert "keras" not in events(tmp_path / "train").Tags()["tensors"]
    assert "gradient_norm/dense" in " ".join(events(tmp_path / "gradients").Tags()["tensors"])


def test_image_and_png_come_back_pixel_for_pixel(tmp_path):
    image = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    keras.utils.save_img(tmp_path / "figure.png", image, scale=False)
    tracking.write_image(tmp_path, "predictions", image, step=1)
    tracking.write_png(tmp_path, "confusion_matrix", tmp_path / "figure.png", step=2)
    accumulator = events(tmp_path)
    for tag, step in (("predictions", 1), ("confusion_matrix", 2)):
        (event,) = accumulator.Tensors(tag)
        assert (plugin(accumulator, tag), event.step) == ("images", step)
        width, height, png = tf.make_ndarray(event.tensor_proto)
        assert (int(width), int(height)) == (5, 4)
        np.testing.assert_array_equal(tf.io.decode_png(png).numpy(), image)


@pytest.mark.parametrize("image", [np.zeros((4, 5), np.uint8), np.zeros((4, 5, 3), np.float32), np.zeros((1, 4, 5, 3))])
def test_image_of_another_shape_or_dtype_is_refused(tmp_path, image):
    with pytest.raises(ValueError, match="uint8"):
        tracking.write_image(tmp_path, "predictions", image, step=0)


def test_pr_curve_by_hand_on_four_points(tmp_path):
    y_true = np.array([0, 0, 1, 1])
    positive = np.array([0.1, 0.6, 0.4, 1.0])  # at 0.5: one true positive, one false positive, one missed
    y_prob = np.stack([1 - positive, positive, 0 * positive], axis=1)
    missing = tracking.write_pr_curves(tmp_path, y_true, y_prob, ["nevus", "melanoma", "rare"], step=3)
    assert missing == ["rare"]
    accumulator = events(tmp_path)
    assert set(accumulator.Tags()["tensors"]) == {"nevus/pr_curves", "melanoma/pr_curves"}
    assert plugin(accumulator, "melanoma/pr_curves") == "pr_curves"
    (event,) = accumulator.Tensors("melanoma/pr_curves")
    assert event.step == 3
    curve = tf.make_ndarray(event.tensor_proto)  # (tp, fp, tn, fn, precision, recall) x 201 thresholds
    assert curve[:, 100] == pytest.approx([1, 1, 1, 1, 0.5, 0.5])  # counts and halves: exact
    assert curve[:, 0] == pytest.approx([2, 2, 0, 0, 0.5, 1.0])
    assert curve[:, 200] == pytest.approx([1, 0, 2, 1, 1.0, 0.5])  # the probability 1.0 is counted


@pytest.mark.parametrize("y_prob", [np.zeros((4, 2)), np.full((4, 3), 1.5), np.full((4, 3), np.nan)])
def test_pr_curves_refuse_what_is_not_probabilities_per_class(tmp_path, y_prob):
    with pytest.raises(ValueError, match="y_prob"):
        tracking.write_pr_curves(tmp_path, np.zeros(4, int), y_prob, ["a", "b", "c"], step=0)


def test_hparams_hold_values_status_and_metrics(tmp_path):
    hparams = {"dropout": 0.2, "width": np.int64(32), "mixup": True, "stem": "small"}
    tracking.write_hparams(tmp_path, hparams, {"validation_accuracy": 0.75})
    accumulator = events(tmp_path)
    assert series(accumulator, "validation_accuracy") == {0: 0.75}
    contents = accumulator.PluginTagToContent("hparams")
    start = hparams_metadata.parse_session_start_info_plugin_data(contents[hparams_metadata.SESSION_START_INFO_TAG])
    assert start.hparams["dropout"].number_value == 0.2
    assert start.hparams["width"].number_value == 32
    assert start.hparams["mixup"].bool_value is True
    assert start.hparams["stem"].string_value == "small"
    end = hparams_metadata.parse_session_end_info_plugin_data(contents[hparams_metadata.SESSION_END_INFO_TAG])
    assert end.status == tracking.hparams_pb2.STATUS_SUCCESS


@pytest.mark.parametrize("value", [None, [1, 2], {"a": 1}])
def test_hparam_of_a_compound_type_is_refused_by_name(tmp_path, value):
    with pytest.raises(ValueError, match="stem"):
        tracking.write_hparams(tmp_path, {"stem": value}, {})


def test_text_is_written_as_markdown(tmp_path):
    tracking.write_text(tmp_path, "analysis", "**high variance**", step=0)
    accumulator = events(tmp_path)
    assert plugin(accumulator, "analysis") == "text"
    assert tf.make_ndarray(accumulator.Tensors("analysis")[0].tensor_proto).item() == b"**high variance**"


def test_no_event_file_stays_open(tmp_path):
    fit(compiled(), tracking.tracking_callbacks(tmp_path, gradients=True), epochs=1)
    tracking.write_text(tmp_path, "analysis", "text", step=0)
    open_files = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
    assert not [name for name in open_files if str(tmp_path) in name]


def test_graph_of_a_model_with_constants_between_its_layers_is_written(tmp_path):
    tokens = keras.Input((6,), dtype="int32", name="tokens")
    x = keras.layers.Embedding(9, 4, name="token_embedding")(tokens)
    x = keras.ops.where(keras.ops.not_equal(tokens, 0)[:, :, None], x, -1e4)
    model = keras.Model(tokens, keras.layers.Dense(2, name="logits")(keras.ops.max(x, axis=1)))
    tracking.write_graph(tmp_path, model)
    graph = tf.compat.v1.GraphDef.FromString(events(tmp_path).Graph().SerializeToString())
    assert {"token_embedding", "logits"} <= {node.name.split("/")[-1] for node in graph.node}


def test_embeddings_come_with_their_labels_and_a_config_that_names_both(tmp_path):
    vectors = np.array([[1.5, -2.0], [0.25, 1e-7]])
    tracking.write_embeddings(tmp_path, vectors, ["eye", "skin"])
    np.testing.assert_allclose(np.loadtxt(tmp_path / "tensors.tsv", delimiter="\t"), vectors, rtol=1e-4)
    assert (tmp_path / "metadata.tsv").read_text().split() == ["eye", "skin"]
    config = (tmp_path / "projector_config.pbtxt").read_text()
    assert "tensors.tsv" in config
    assert "metadata.tsv" in config


def test_report_writes_figures_curves_and_text(tmp_path):
    picture = np.zeros((4, 5, 3), np.uint8)
    keras.utils.save_img(tmp_path / "a.png", picture)
    y_prob = np.array([[0.9, 0.1], [0.2, 0.8]])
    tracking.write_report(
        tmp_path / "log", tmp_path, {"a": "a.png"}, "Words.", np.array([0, 1]), y_prob, ("eye", "skin")
    )
    tags = events(tmp_path / "log").Tags()["tensors"]
    assert {"figures/a", "eye/pr_curves", "skin/pr_curves", "analysis"} <= set(tags)
