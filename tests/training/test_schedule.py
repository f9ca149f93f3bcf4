import keras
import numpy as np
import pytest

from tfhealth.training.schedule import LearningRate, learning_rates


@pytest.mark.parametrize(("steps", "warmup_steps", "final_share"), [(60, 10, 0.01), (60, 0, 0.3), (1, 0, 0.01)])
def test_rates_are_those_of_keras(steps, warmup_steps, final_share):
    peak = 0.2
    theirs = keras.optimizers.schedules.CosineDecay(
        peak / 100 if warmup_steps else peak,
        steps - warmup_steps,
        alpha=final_share,
        warmup_target=peak if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
    expected = [float(theirs(step)) for step in range(steps)]
    rates = learning_rates(peak, steps=steps, warmup_steps=warmup_steps, final_share=final_share)
    np.testing.assert_allclose(rates, expected, rtol=1e-5)


class Record(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.rates = []

    def on_train_batch_end(self, batch, logs=None):
        self.rates.append(float(np.asarray(self.model.optimizer.learning_rate)))


def test_a_training_that_goes_on_in_its_second_epoch_goes_on_with_its_second_rates():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile(keras.optimizers.AdamW(1.0), "mse")
    rates, seen = learning_rates(1.0, steps=12, warmup_steps=4, final_share=0.01), Record()
    x = np.ones((4, 2), np.float32)
    options = {"batch_size": 1, "initial_epoch": 1, "epochs": 3, "verbose": 0}
    model.fit(x, x[:, :1], callbacks=[LearningRate(rates, 4), seen], **options)
    np.testing.assert_allclose(seen.rates, rates[4:], rtol=1e-6)
