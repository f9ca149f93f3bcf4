import keras
import numpy as np

from tfhealth.data.dataset import Rows, Split
from tfhealth.data.image_pipeline import ImageFeed
from tfhealth.training.averaging import AveragedWeights, measure_batch_statistics
from tfhealth.training.fit import mixed_sample

RNG = np.random.default_rng(0)


def make_split(n):
    names = np.arange(n).astype(str)
    images = RNG.integers(0, 256, (n, 4, 4, 3)).astype(np.uint8)
    return Split(Rows(images), np.zeros(n, np.int32), names, names, {})


def test_batch_statistics_are_those_of_the_sample():
    inputs = keras.Input((None, None, 3))
    norm = keras.layers.BatchNormalization(momentum=0.9)
    model = keras.Model(inputs, norm(inputs))
    sample = make_split(64 + 30)  # the last batch is not full
    measure_batch_statistics(model, ImageFeed(2).evaluation(sample, 64))
    assert norm.momentum == 0.9
    images = sample.x.take(slice(None)).astype(float)
    np.testing.assert_allclose(norm.moving_mean, images.mean((0, 1, 2)), rtol=1e-5)
    within = [images[part].var((0, 1, 2)) for part in (slice(0, 64), slice(64, None))]
    np.testing.assert_allclose(norm.moving_variance, (64 * within[0] + 30 * within[1]) / 94, rtol=1e-5)
    measure_batch_statistics(model, ImageFeed(2, sides=(2,)).evaluation(sample, 64, epoch=0))
    assert norm.moving_variance.numpy().mean() < 0.5 * np.mean(within)  # reduced images vary less


def test_batch_statistics_come_from_mixed_batches_though_the_split_is_in_the_order_of_its_classes():
    names = np.arange(640).astype(str)
    split = Split(Rows(np.zeros((640, 4, 4, 3), np.uint8)), np.repeat(np.arange(2, dtype=np.int32), 320), names, names)
    sample = mixed_sample(split, 320, seed=0)
    shares = sample.y.reshape(-1, 64).mean(1)
    assert len(set(sample.example_ids)) == 320
    assert ((shares > 0.25) & (shares < 0.75)).all()  # four standard errors around a half


class Weights(keras.callbacks.Callback):
    """What other callbacks find in the model: (after each step, at each epoch's end)."""

    def __init__(self):
        super().__init__()
        self.steps, self.epochs = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(float(self.model.trainable_variables[0][0, 0]))

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(float(self.model.trainable_variables[0][0, 0]))


def fitted(momentum):
    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(inputs))
    model.compile(keras.optimizers.AdamW(0.1, use_ema=momentum > 0, ema_momentum=momentum), "mse")
    averaged = [AveragedWeights(lambda epoch: (), resumed=False)] if momentum else []
    seen, x = Weights(), np.ones((4, 1), np.float32)
    model.fit(x, x, batch_size=1, epochs=3, verbose=0, callbacks=[*averaged, seen])
    return seen


def test_the_average_is_in_the_model_between_epochs_and_training_goes_on_without_it():
    plain, averaged = fitted(0.0), fitted(0.8)
    np.testing.assert_allclose(averaged.steps, plain.steps, rtol=1e-5)
    mean, expected = plain.steps[0], []
    for number, weight in enumerate(plain.steps):
        mean = 0.8 * mean + 0.2 * weight
        expected += [mean] if number % 4 == 3 else []
    np.testing.assert_allclose(averaged.epochs, expected, rtol=1e-5)
