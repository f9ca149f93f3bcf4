import os

import numpy as np
from PIL import Image

from tfhealth.bench import preparation
from tfhealth.data.tokens import fit_tokenizer, token_ids


def test_both_ways_to_prepare_images_are_measured_and_no_cache_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(preparation, "PHOTOGRAPHS", 24)
    monkeypatch.setattr(preparation, "ROUNDS", 2)
    monkeypatch.setenv("TFHEALTH_CACHE", str(tmp_path / "mine"))
    (row,) = preparation.measure_images(tmp_path)
    assert row.rounds == 2
    assert row.ours > 0
    assert os.environ["TFHEALTH_CACHE"] == str(tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
    assert not (tmp_path / "cache").exists()
    with Image.open(tmp_path / "photographs/a/0.jpg") as image:
        assert image.size == preparation.SIZE


def test_bare_loop_makes_the_ids_that_the_package_makes():
    texts = ["Fever and cough.", "cough " * 400, ""]
    tokenizer = fit_tokenizer(texts * 3, 60)
    ours = token_ids(tokenizer, texts, preparation.LENGTH)
    np.testing.assert_array_equal(preparation._bare_token_ids(tokenizer, texts), ours)
