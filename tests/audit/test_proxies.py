import numpy as np

from tfhealth.audit.proxies import image_proxies, text_proxies
from tfhealth.data.dataset import Rows, Split


def split(x):
    ids = np.arange(len(x)).astype(str)
    return Split(x=Rows(x), y=np.zeros(len(x), np.int32), group_ids=ids, example_ids=ids)


def test_brightness_bands_follow_the_mean_of_the_pixels_in_every_block():
    level = np.random.default_rng(0).permutation(600) % 200
    x = np.broadcast_to(level[:, None, None, None], (600, 2, 2, 3)).astype(np.uint8)
    found = image_proxies(split(x))
    assert set(found) == {"image_brightness", "image_contrast"}
    order = np.argsort(level)
    assert (np.sort(found["image_brightness"]) == found["image_brightness"][order]).all()
    assert len(np.unique(found["image_brightness"])) == 4
    assert len(np.unique(found["image_contrast"])) == 1  # none of these images has any


def test_text_length_does_not_count_padding():
    x = np.zeros((40, 30), np.int32)
    for row in range(40):
        x[row, : row % 20 + 1] = 7
    found = text_proxies(split(x))["text_length"]
    assert found[0] == found[20]
    assert found[0].startswith("1: 1 to")
    assert found[19].startswith("4:")
