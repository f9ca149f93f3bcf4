import keras
import numpy as np
import pytest

from tfhealth.models.resnet import resnet8, resnet18, resnet50


@pytest.mark.parametrize(
    ("build", "width", "parameters"),
    [
        # Published sizes at 224 x 224 with 1,000 classes (He et al. 2016 as counted by torchvision): 11,689,512 and
        # 25,557,032 trainable. Batch-normalisation statistics (2 a channel) come on top in Keras's count.
        (resnet18, 64, 11_689_512),
        (resnet50, 64, 25_557_032),
    ],
)
def test_trainable_parameters_equal_the_published_count(build, width, parameters):
    model = build((224, 224, 3), 1000, width=width)
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == parameters


@pytest.mark.parametrize("build", [resnet8, resnet18, resnet50])
@pytest.mark.parametrize("stem", ["small", "medium", "large"])
def test_output_has_one_logit_per_class_and_image(build, stem):
    model = build((32, 32, 3), 5, width=4, stem=stem, dropout=0.1, l2=1e-4)
    assert model(np.zeros((2, 32, 32, 3), np.float32)).shape == (2, 5)


def test_unknown_stem_is_named():
    with pytest.raises(ValueError, match="huge"):
        resnet8((32, 32, 3), 2, stem="huge")


def test_pixel_statistics_are_undone_by_the_first_layer():
    """A model for shifted and scaled pixels that knows the shift equals one for plain pixels with the same weights."""
    plain = resnet8((16, 16, 3), 2, width=4, pixel_statistics=([0.0] * 3, [1.0] * 3))
    shifted = resnet8((16, 16, 3), 2, width=4, pixel_statistics=([10.0, 20.0, 30.0], [2.0, 4.0, 8.0]))
    shifted.set_weights(plain.get_weights())
    pixels = np.random.default_rng(0).normal(size=(3, 16, 16, 3)).astype(np.float32)
    moved = pixels * np.float32([2, 4, 8]) + np.float32([10, 20, 30])
    np.testing.assert_allclose(plain(pixels), shifted(moved), atol=1e-4)  # float32 rounding of the shift


def test_l2_adds_its_penalty_for_every_kernel():
    model = resnet8((16, 16, 3), 2, width=4, l2=0.5)
    kernels = [weight.numpy() for weight in model.trainable_weights if weight.path.endswith("kernel")]
    expected = sum(0.5 * np.sum(kernel**2) for kernel in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)  # float32 sums


def test_train_step_moves_every_trainable_weight():
    keras.utils.set_random_seed(0)
    model = resnet18((16, 16, 3), 3, width=4, stem="small")
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [weight.numpy() for weight in model.trainable_weights]
    rng = np.random.default_rng(0)
    model.train_on_batch(rng.uniform(0, 255, (8, 16, 16, 3)).astype(np.float32), np.arange(8) % 3)
    for weight, earlier in zip(model.trainable_weights, before, strict=True):
        assert not np.array_equal(weight.numpy(), earlier), weight.path


def test_layer_names_are_stable():
    """Gradient plots and weight copies go by these names."""
    names = {layer.name for layer in resnet18((32, 32, 3), 2, width=4).layers}
    assert {"stem_conv", "stage1_block1_conv1", "stage4_block2_conv2_norm", "stage2_block1_shortcut", "logits"} <= names
