"""TFDS sets: prepared offline, opened without TensorFlow from the cache."""

import subprocess
import sys

import pytest

# TFDS 4.9 imports importlib_resources when it prepares a set, but does not depend on it; the standard library's serves.
PREPARE_TFDS = """
import importlib.resources, sys, numpy as np, tensorflow as tf, tensorflow_datasets as tfds
sys.modules.setdefault("importlib_resources", importlib.resources)
features = tfds.features.FeaturesDict({
    "image": tfds.features.Image(shape=(20, 24, 3)), "label": tfds.features.ClassLabel(names=["no", "yes"])})
rows = {split: tf.data.Dataset.from_tensor_slices(
            {"image": np.full((count, 20, 24, 3), 7, np.uint8), "label": np.arange(count) % 2})
        for split, count in (("train", 32), ("test", 8))}
tfds.dataset_builders.store_as_tfds_dataset("tiny", "1.0.0", features, rows, data_dir=sys.argv[1])
"""
LOAD_TFDS = """
import sys
from pathlib import Path
from tfhealth.data.image import ImageOptions, load_image_dataset
from tfhealth.errors import UserError
options = ImageOptions(data_dir=Path(sys.argv[1]), image_size=16)
bundle = load_image_dataset("tfds:tiny", options)
print(bundle.card.class_names, len(bundle.train), len(bundle.validation), len(bundle.test), *bundle.test.x.shape[1:])
if len(sys.argv) > 2:
    try:
        load_image_dataset("tfds:no_such_set", options)
    except UserError as error:
        print(error)
else:
    print("tensorflow" in sys.modules)
"""


@pytest.mark.slow
def test_tfds_set_prepared_offline_keeps_its_test_split_and_an_unknown_one_is_one_line(tmp_path):
    def run(code: str, *arguments: str) -> list[str]:
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    run(PREPARE_TFDS, str(tmp_path / "tfds"))
    expected = "('no', 'yes') 28 4 8 16 16 3"
    first, error = run(LOAD_TFDS, str(tmp_path), "unknown too")
    assert first == expected
    assert error.startswith("tfds:no_such_set is not in ")
    assert run(LOAD_TFDS, str(tmp_path)) == [expected, "False"]  # from the cache, without TensorFlow
