import numpy as np
import pytest
from PIL import Image

from tfhealth.report import synthesis_figures

RNG = np.random.default_rng(0)


@pytest.fixture
def png(tmp_path):
    return tmp_path / "figure.png"


def assert_page(path):
    with Image.open(path) as image:
        assert image.width == 1300  # 6.5 inches at 200 dpi
        assert len(np.unique(np.asarray(image.convert("RGB")))) > 5


def test_samples_are_drawn_with_their_neighbours_also_when_a_line_is_not_full(png):
    images = RNG.integers(0, 255, (7, 64, 64, 3), dtype=np.uint8)
    synthesis_figures.samples_and_nearest(images, images[::-1], ["a very long name of a class"] * 7, png)
    assert_page(png)


@pytest.mark.parametrize(
    "logs", [("reconstruction", "val_reconstruction", "kl", "val_kl"), ("discriminator_loss", "generator_loss")]
)
def test_loss_curves_of_either_model_and_of_one_epoch(png, logs):
    histories = {"main": {log: [3.0, 2.0, 1.5] for log in logs}, "other": {log: [2.5] for log in logs}}
    synthesis_figures.loss_curves(histories, png)
    assert_page(png)


def test_collapsed_dimensions_of_exactly_no_kl_are_drawn(png):
    synthesis_figures.kl_by_dimension({"vae": RNG.uniform(0.1, 2, 32), "plain": np.zeros(32)}, png)
    assert_page(png)
