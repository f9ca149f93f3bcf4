import keras
import numpy as np
import pytest

from tfhealth.models.text import transformer
from tfhealth.training.attention import attention_reach, attention_received, attention_weights

STEPS = 7
TOKENS = np.array([[3, 4, 5, 6, 0, 0, 0], [7, 8, 9, 3, 4, 5, 6]], np.int32)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return transformer(12, STEPS, 2, width=8, num_heads=2)


def test_weights_of_a_query_sum_to_one_and_none_is_on_padding(model):
    found = attention_weights(model, TOKENS)
    assert list(found) == ["encoder_block1", "encoder_block2"]
    for weights in found.values():
        assert weights.shape == (2, 2, STEPS, STEPS)
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
        assert weights[0, :, :4, 4:].max() < 1e-6


def test_blocks_run_one_by_one_are_the_model(model):
    """The second block's weights depend on the first one's output; without position or mask they would differ."""
    first = keras.Model(model.inputs[0], model.get_layer("encoder_block1").output)(TOKENS)
    _, expected = model.get_layer("encoder_block2")(first, padding_mask=TOKENS != 0, return_attention_scores=True)
    np.testing.assert_allclose(attention_weights(model, TOKENS)["encoder_block2"], expected, atol=1e-6)


def test_attention_received_is_the_mean_over_real_queries():
    weights = np.zeros((1, 1, 3, 3))
    weights[0, 0] = [[0.5, 0.5, 0], [1, 0, 0], [0.2, 0.3, 0.5]]  # the third query is padding
    (received,) = attention_received(weights, np.array([[5, 6, 0]]))
    np.testing.assert_allclose(received, [0.75, 0.25])


def test_reach_is_that_of_the_weights_and_uniform_has_its_closed_form(model):
    for reach in attention_reach(model, TOKENS):
        assert reach.share.sum() == pytest.approx(1, abs=1e-5)
        expected = np.zeros(STEPS)
        for text, length in zip(attention_weights(model, TOKENS)[reach.name].mean(1), (4, 7), strict=True):
            for query in range(length):
                for key in range(length):
                    expected[abs(query - key)] += text[query, key] / length / 2
        np.testing.assert_allclose(reach.share, expected, atol=1e-6)
        # Two tokens drawn evenly from n are (n^2 - 1) / 3n apart on average.
        assert reach.summary()["uniform_mean"] == pytest.approx(np.mean([(n * n - 1) / (3 * n) for n in (4, 7)]))
        assert reach.summary()["share"][-1] == pytest.approx(1, abs=1e-5)
