import keras
import numpy as np
import pytest

from tfhealth.data.dataset import Rows, Split
from tfhealth.models.resnet import resnet8
from tfhealth.training.gradcam import LesionFocus, grad_cam, lesion_focus, mass_inside


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return resnet8((32, 32, 3), 3, width=4)


def pixels(n=4):
    return np.random.default_rng(0).uniform(0, 255, (n, 32, 32, 3)).astype(np.float32)


def test_heat_map_equals_the_closed_form_for_average_pooling(model):
    """For a mean over positions and one dense layer, Grad-CAM is relu(sum_k w_kc A_k) / positions (Selvaraju, A)."""
    images, classes = pixels(), np.array([0, 1, 2, 0])
    features = keras.Model(model.inputs[0], model.get_layer("pool").input)(images).numpy()
    kernel = model.get_layer("logits").get_weights()[0]
    expected = np.maximum(np.einsum("nhwk,kn->nhw", features, kernel[:, classes]), 0) / np.prod(features.shape[1:3])
    heat = grad_cam(model)(images, classes)
    assert heat.shape == (4, 32, 32)
    enlarged = keras.ops.image.resize(expected[..., None], (32, 32), interpolation="bilinear")[..., 0]
    np.testing.assert_allclose(heat, enlarged, atol=1e-5 * expected.max())  # float32


def test_mass_inside_counts_the_share_on_the_mask_and_is_undefined_without_mass():
    heat = np.zeros((3, 2, 2))
    heat[0] = [[3, 1], [0, 0]]
    heat[2] = 1
    masks = np.zeros((3, 2, 2), np.uint8)
    masks[:2, 0, 0] = 1
    np.testing.assert_array_equal(mass_inside(heat, masks), [0.75, np.nan, np.nan])


def test_map_without_preference_scores_the_masks_share_of_the_image():
    masks = np.zeros((1, 4, 4), np.uint8)
    masks[0, :2] = 1
    assert mass_inside(np.ones((1, 4, 4)), masks)[0] == masks.mean()


def test_focus_needs_masks(model):
    ids = np.array(["a"])
    bare = Split(Rows(pixels(1).astype(np.uint8)), np.zeros(1, np.int32), ids, ids)
    with pytest.raises(ValueError, match="masks"):
        lesion_focus(model, bare, np.zeros(1, int))


def test_summary_leaves_undefined_maps_out_and_counts_them():
    focus = LesionFocus(np.array([0.2, np.nan, 0.6]), np.array([0.1, 0.1, 0.4]))
    found = focus.summary(np.array(["a", "b", "c"]), draws=50, seed=0)
    assert found["inside"]["value"] == pytest.approx(0.4)
    assert found["undefined"] == 1
