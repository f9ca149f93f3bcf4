import keras
import numpy as np

from tfhealth.compression.normalization import convolved
from tfhealth.models.resnet import resnet8


def test_convolution_gives_the_logits_of_the_normalisation_also_at_the_borders():
    model = resnet8((None, None, 3), 2, width=4, pixel_statistics=([120.0, 100.0, 90.0], [50.0, 60.0, 70.0]))
    images = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype(np.float32)
    copy = convolved(model)
    assert not any(isinstance(layer, keras.layers.Normalization) for layer in copy.layers)
    first = [keras.Model(network.inputs[0], network.get_layer("stem_conv").output) for network in (model, copy)]
    expected, got = (np.asarray(network(images)) for network in first)  # before pooling could hide a border
    np.testing.assert_allclose(got, expected, atol=1e-5)  # float32 rounding of x / s - m / s
    np.testing.assert_allclose(np.asarray(copy(images)), np.asarray(model(images)), atol=1e-5)


def test_model_without_normalisation_is_itself():
    model = resnet8((16, 16, 3), 2, width=4)
    assert convolved(model) is model
