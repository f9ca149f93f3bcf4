import keras
import numpy as np
import pytest
from scipy.stats import entropy

from tfhealth.training.losses import LogitAdjustedCrossentropy


def test_without_adjustment_it_is_keras_cross_entropy():
    rng = np.random.default_rng(0)
    labels, logits = np.eye(3)[rng.integers(0, 3, 10)].astype("float32"), rng.normal(size=(10, 3)).astype("float32")
    plain = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    ours = LogitAdjustedCrossentropy([0.2, 0.3, 0.5], tau=0.0, label_smoothing=0.1)
    assert float(ours(labels, logits)) == pytest.approx(float(plain(labels, logits)), rel=1e-6)  # float32


def test_full_adjustment_makes_equal_logits_predict_the_class_shares():
    loss = LogitAdjustedCrossentropy([0.9, 0.1], tau=1.0)
    found = float(loss(np.float32([[0, 1]]), np.float32([[0, 0]])))
    assert found == pytest.approx(-np.log(0.1), rel=1e-5)  # float32


def test_consistency_adds_half_the_mean_divergence_of_the_two_answers_to_each():
    rng = np.random.default_rng(1)
    labels, logits = np.eye(3, dtype="float32")[[0, 2, 0, 2]], rng.normal(size=(4, 3)).astype("float32")
    alone, loss = (LogitAdjustedCrossentropy([0.2, 0.3, 0.5], consistency=weight) for weight in (0.0, 3.0))
    first, second = np.split(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), 2)
    divergences = (entropy(first, second, axis=1) + entropy(second, first, axis=1)) / 2
    added = float(loss(labels, logits)) - float(alone(labels, logits))
    assert added == pytest.approx(3 * divergences.mean() / 2, rel=1e-4)  # float32
    same = np.concatenate([logits[:2], logits[:2]])
    assert float(loss(labels, same)) == pytest.approx(float(alone(labels, same)), rel=1e-6)


def test_class_without_examples_is_refused():
    with pytest.raises(ValueError, match="training examples"):
        LogitAdjustedCrossentropy([1.0, 0.0])


def test_it_is_saved_and_loaded_with_its_numbers():
    loss = LogitAdjustedCrossentropy([0.9, 0.1], tau=0.5, label_smoothing=0.1, consistency=2.0)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.get_config() == loss.get_config()
