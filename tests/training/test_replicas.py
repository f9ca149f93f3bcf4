"""Training over two devices, which a CPU can be split into: the same steps as on one."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfhealth.errors import UserError
from tfhealth.training import replicas
from tfhealth.training.diffaugment import augment

# A process of its own: devices are made before TensorFlow starts.
OVER_DEVICES = """
import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from tests.training.toy_trainings import largest_difference, start
from tfhealth.training import replicas

DEVICES = "CPU:0", "CPU:1"


def differences(work):
    for name in ("LSTM", "ResNet", "VAE"):
        one = start(name, work / name / "one")
        with replicas.over_devices(DEVICES):
            two = start(name, work / name / "two")
        assert one.best_epoch == two.best_epoch
        yield name, largest_difference(one, two)


def norms(folder):
    return [entry["norms"] for entry in json.loads((folder / "gradients.json").read_text())]


def masks():
    with replicas.over_devices(DEVICES):
        with replicas.scope():
            inputs = keras.Input((50,))
            model = keras.Model(inputs, keras.layers.Dropout(0.5, seed=1)(inputs))
            model.compile("sgd")
        replicas.replicate(model)
        strategy = model.distribute_strategy
        found = strategy.run(lambda: model(tf.ones((1, 50)), training=True))
        return [mask.numpy()[0].tolist() for mask in strategy.experimental_local_results(found)]


work = Path(sys.argv[1])
found = {"differences": dict(differences(work)), "masks": masks()}
found["alone"] = keras.layers.Dropout(0.5, seed=1)(tf.ones((1, 50)), training=True).numpy()[0].tolist()
found["norms"] = [norms(work / "LSTM" / place) for place in ("one", "two")]
(work / "found.json").write_text(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    work = tmp_path_factory.mktemp("devices")
    done = subprocess.run([sys.executable, "-c", OVER_DEVICES, str(work)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads((work / "found.json").read_text())


@pytest.mark.parametrize("name", ["LSTM", "ResNet", "VAE"])
def test_two_devices_reach_the_weights_of_one(found, name):
    # Sums of float32 in another order. The trainings clip, average, synchronise batch statistics, pair texts (R-Drop),
    # mix images and draw noise, all of it over the whole batch.
    assert found["differences"][name] < 1e-5


def test_dropout_differs_between_devices_and_is_on_the_first_as_on_one(found):
    first, second = found["masks"]
    assert first != second
    assert first == found["alone"]


def test_recorded_gradients_are_those_of_the_whole_batch(found):
    one, two = found["norms"]
    assert len(one) == len(two) > 0
    for first, second in zip(one, two, strict=True):
        assert second == pytest.approx(first, rel=1e-3, abs=1e-6)


def test_without_replicas_batches_sums_rows_and_losses_stay_as_they_are():
    batches = tf.data.Dataset.range(4)
    assert replicas.shares(batches, 4) is batches
    assert replicas.callbacks() == []
    x = tf.constant([1.0, 2.0])
    np.testing.assert_array_equal(replicas.joint_sum(x), [1.0, 2.0])
    assert float(replicas.joint_mean(x)) == 1.5
    assert float(replicas.own_share(3.0)) == 3.0
    np.testing.assert_array_equal(replicas.own_rows(lambda rows: tf.range(rows), 3), [0, 1, 2])


def test_parts_of_a_batch_hold_each_example_with_its_copies():
    batch = tf.constant([[0], [1], [2], [3], [10], [11], [12], [13]])  # four examples, then the same again
    parts = replicas._parts(batch, 2, 4)
    np.testing.assert_array_equal(parts[:, :, 0], [[0, 1, 10, 11], [2, 3, 12, 13]])


def test_batch_that_cannot_be_divided_is_refused_with_the_reason():
    with pytest.raises(UserError, match="a batch of 16 examples cannot be divided by 3"):
        replicas.check_divides(3, 16)
    replicas.check_divides(4, 16)


def test_augmentation_is_unchanged_by_how_many_copies_one_replica_has():
    images = tf.random.stateless_uniform((4, 16, 16, 3), (1, 2), 0.0, 255.0)
    once, twice = (
        augment(images, ("colour", "translation", "cutout"), keras.random.SeedGenerator(1), copies=n) for n in (1, 2)
    )
    np.testing.assert_array_equal(once, twice)
