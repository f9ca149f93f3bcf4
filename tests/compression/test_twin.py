import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfhealth.compression import twin as twins
from tfhealth.models.resnet import BUILDERS, resnet8

STATISTICS = ([120.0, 100.0, 90.0], [50.0, 60.0, 70.0])
EPOCHS = 2


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0, 255, (32, 16, 16, 3)).astype(np.float32)


def resnet(build=resnet8, **more):
    """With statistics and scales that are not those of a fresh model, where many mistakes would not show."""
    model = build((None, None, 3), 3, width=8, dropout=0.1, l2=1e-4, pixel_statistics=STATISTICS, **more)
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.weights])
    return model


@pytest.fixture(scope="module")
def model():
    return resnet()


@pytest.fixture(scope="module")
def batches(images):
    labels = tf.one_hot(np.arange(len(images)) % 3, 3)
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(8).repeat(EPOCHS)


def kernels(network) -> dict[str, np.ndarray]:
    """Of all convolutions and dense layers but the normalisation and the first convolution."""
    skipped = {"normalization", "stem_conv"}
    return {
        layer.name: layer.get_weights()[0]
        for layer in network.layers
        if layer.name not in skipped and type(layer).__name__ in ("Conv2D", "Dense")
    }


def carried_back(model, twin):
    """A Keras 3 model with the twin's weights."""
    copy = keras.models.clone_model(model)
    twins.copy_weights(twin, copy)
    return copy


@pytest.mark.parametrize(
    ("name", "stem"),
    [("resnet8", "small"), ("resnet8", "medium"), ("resnet8", "large"), ("resnet18", "large"), ("resnet50", "medium")],
)
def test_tf_keras_twin_matches_keras3(name, stem, images):
    model = resnet(BUILDERS[name], stem=stem)
    twin = twins.twin_of(model, images[:2])
    expected, got = (np.asarray(network(images[2:6], training=False)) for network in (model, twin))
    scale = max(1, np.abs(expected).max())  # float32 rounding grows with the logits
    np.testing.assert_allclose(got, expected, atol=1e-5 * scale)


def test_model_read_from_disk_has_a_twin_too(model, images, tmp_path):
    model.save(tmp_path / "model.keras")
    twins.twin_of(keras.saving.load_model(tmp_path / "model.keras", compile=False), images[:4])


def test_twin_that_gives_other_logits_is_refused(model, images, monkeypatch):
    monkeypatch.setattr(twins, "copy_weights", lambda source, target: None)
    with pytest.raises(ValueError, match="differs"):
        twins.twin_of(model, images[:4])


def test_layer_without_a_twin_is_named():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, keras.layers.SeparableConv2D(2, 3, name="odd")(inputs))
    with pytest.raises(ValueError, match="odd"):
        twins.build_twin(model, (8, 8, 3))


def test_toolkit_leaves_no_setting_behind_for_child_processes():
    assert "TF_USE_LEGACY_KERAS" not in os.environ


@pytest.fixture(scope="module")
def pruned(model, images, batches):
    return twins.prune(twins.twin_of(model, images[:4]), batches, sparsity=0.8, epochs=EPOCHS, learning_rate=1e-3)


def test_pruning_reaches_its_sparsity_and_keeps_it_on_the_way_back(model, pruned):
    back = carried_back(model, pruned)
    for name, kernel in kernels(back).items():
        assert np.mean(kernel == 0) == pytest.approx(0.8, abs=0.5 / kernel.size + 0.005), name  # whole weights
    assert np.mean(back.get_layer("stem_conv").get_weights()[0] == 0) < 0.01


def test_weights_carried_back_give_the_logits_of_the_pruned_twin(model, pruned, images):
    expected = np.asarray(pruned(images, training=False))
    got = np.asarray(carried_back(model, pruned)(images, training=False))
    np.testing.assert_allclose(got, expected, atol=1e-5 * max(1, np.abs(expected).max()))  # float32 rounding


def test_clustered_kernels_hold_no_more_values_than_clusters(model, images, batches):
    twin = twins.twin_of(model, images[:4])
    clustered = carried_back(model, twins.cluster(twin, batches, clusters=8, epochs=EPOCHS, learning_rate=1e-3))
    for name, kernel in kernels(clustered).items():
        assert len(np.unique(kernel)) <= 8, name


def test_quantized_training_leaves_the_normalisation_alone_and_moves_the_rest(model, images, batches):
    twin = twins.twin_of(model, images[:4])
    before = twin.get_layer("normalization").get_weights()
    quantized = twins.train_quantized(twin, batches, epochs=EPOCHS, learning_rate=1e-3)
    found = {weight.name: weight.numpy() for weight in quantized.weights}
    for weight, name in zip(before, ("kernel", "bias"), strict=True):
        np.testing.assert_array_equal(found[f"normalization/{name}:0"], weight)
    assert not np.array_equal(found["logits/kernel:0"], model.get_layer("logits").get_weights()[0])


def test_data_without_a_known_length_are_refused(model, images, batches):
    twin = twins.twin_of(model, images[:4])
    with pytest.raises(ValueError, match="known number"):
        twins.prune(twin, batches.repeat(), sparsity=0.5, epochs=1, learning_rate=1e-3)


@pytest.mark.slow
def test_pruning_to_zero_sparsity_without_learning_is_a_no_op(model, images, batches):
    twin = twins.twin_of(model, images[:4])
    same = twins.prune(twin, batches, sparsity=0.0, epochs=EPOCHS, learning_rate=0.0)
    for name, kernel in kernels(same).items():
        np.testing.assert_array_equal(kernel, model.get_layer(name).get_weights()[0])


@pytest.mark.slow
def test_two_of_four_neighbouring_input_channels_are_zero(model, images, batches):
    twin = twins.twin_of(model, images[:4])
    sparse = twins.prune_2_of_4(twin, batches, epochs=EPOCHS, learning_rate=1e-3)
    for name, kernel in kernels(sparse).items():
        by_input = np.moveaxis(kernel, -2, -1).reshape(-1, 4)  # groups of four input channels
        assert (np.count_nonzero(by_input, axis=1) <= 2).all(), name
