import gzip
import subprocess
import sys

import numpy as np
import pytest

from tfhealth.compression.artifact import Artifact
from tfhealth.compression.benchmark import (
    LATENCY,
    SCORES,
    comparison_rows,
    measure,
    measure_speed,
    subgroup_rows,
    with_latency,
)
from tfhealth.compression.export import Conversion, about_images, export, save_for_conversion
from tfhealth.compression.timing import latencies
from tfhealth.data.dataset import DatasetCard, Rows, Split
from tfhealth.data.image_pipeline import ImageFeed
from tfhealth.models.resnet import resnet8
from tfhealth.training.predict import predict_logits, predictions_of
from tfhealth.training.record import Predictions

CARD = DatasetCard("toy", "Toy", "image", ("dark", "bright"), "CC0-1.0", "Nobody 2026")
COUNT = 24
ALL_MS = [f"latency_p{percent}_{threads}_threads_ms" for threads in (1, 2) for percent in (50, 95)]


@pytest.fixture(scope="module")
def split():
    rng = np.random.default_rng(0)
    ids = np.array([f"image{i}" for i in range(COUNT)])
    groups = np.array([f"lesion{i // 2}" for i in range(COUNT)])
    images = rng.integers(0, 256, (COUNT, 16, 16, 3)).astype(np.uint8)
    return Split(Rows(images), (np.arange(COUNT) % 2).astype(np.int32), groups, ids, {"sex": ids.astype("U5")})


@pytest.fixture(scope="module")
def measured(split, tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    model = resnet8((None, None, 3), 2, width=4, pixel_statistics=([128.0] * 3, [74.0] * 3))
    save_for_conversion(model, folder / "saved", np.zeros((16, 16, 3), np.float32))
    about = about_images(CARD, model="toy", technique="any", image_shape=(16, 16, 3), pixel_statistics=None)
    kinds = (("float32", "tflite"), ("dynamic", "tflite"), ("float32", "onnx"))
    conversions = [Conversion(precision, kind, folder / "saved", precision, about) for precision, kind in kinds]
    images = split.x.take(slice(None)).astype(np.float32)
    assert not export(conversions, images, folder)
    feed = ImageFeed(2)
    logits = predict_logits(model, feed, split)
    artifacts = [measure("toy", conversion.path(folder), feed, split, logits) for conversion in conversions]
    return folder, logits, artifacts, measure_speed(artifacts, images[:4], rounds=5)


def test_record_holds_what_the_file_gives(measured, split):
    _, logits, artifacts, _ = measured
    plain = artifacts[0]
    assert plain.name == "float32.tflite"
    assert plain.size_bytes == plain.path.stat().st_size
    assert plain.gzip_bytes == len(gzip.compress(plain.path.read_bytes(), mtime=0)) < plain.size_bytes
    assert plain.max_abs_error < 1e-4  # float32 sums in another order
    assert plain.top1_agreement == 1
    saved = Predictions.load(plain.predictions, "never")
    np.testing.assert_allclose(saved.y_prob, predictions_of(split, logits).y_prob, atol=1e-5)
    assert plain.metrics["accuracy"] == np.mean(logits.argmax(1) == split.y)


def test_record_is_read_back_and_not_measured_again(measured, split, monkeypatch):
    folder, logits, artifacts, speed = measured
    for artifact in artifacts:
        done = with_latency(artifact, speed)
        assert done.latency_ms == speed[artifact.name][LATENCY]
        assert Artifact.load(folder / f"{artifact.name}.json", "never") == done
        assert measure("toy", artifact.path, None, split, logits) == done


def test_file_that_cannot_be_run_has_its_reason_in_the_record(measured, split, tmp_path):
    _, logits, artifacts, _ = measured
    path = tmp_path / "short.tflite"
    path.write_bytes(artifacts[0].path.read_bytes()[:-1])
    broken = measure("toy", path, ImageFeed(2), split, logits)
    assert "damaged" in broken.failure
    assert broken.path is None


def test_speed_of_every_file_is_measured_for_both_numbers_of_threads(measured):
    _, _, artifacts, speed = measured
    for artifact in artifacts:
        found = speed[artifact.name]
        assert set(found) == {*ALL_MS, "memory_mb", "int8_dot_products"}
        assert 0 < found["latency_p50_1_threads_ms"] <= found["latency_p95_1_threads_ms"]
        assert found["memory_mb"] > 0


def test_benchmark_process_loads_no_tensorflow():
    code = "import sys, tfhealth.compression.timing; assert not {'tensorflow', 'keras', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_comparison_has_one_whole_row_an_artifact_and_nan_for_one_that_failed(measured, split):
    _, logits, artifacts, speed = measured
    failed = Artifact("toy", "int8", "tflite", failure="the converter crashed")
    baseline = predictions_of(split, logits)
    rows = comparison_rows([*artifacts, failed], baseline, speed, reference="float32.tflite", draws=50, seed=0)
    columns = {"name", "technique", "format", "failure", "size_mb", "gzip_mb", "times_smaller", "times_faster"}
    columns |= {*ALL_MS, "memory_mb", "int8_dot_products", "p_value", "max_abs_error", "top1_agreement"}
    columns |= {f"{score}{end}" for score in SCORES for end in ("", "_change", "_change_low", "_change_high")}
    assert all(set(row) == columns for row in rows)
    plain, lost = rows[0], rows[-1]
    assert plain["times_smaller"] == plain["times_faster"] == plain["p_value"] == 1
    for score in SCORES:
        assert plain[f"{score}_change"] == pytest.approx(0, abs=1e-6)  # float32 logits differ in the last digits
    assert lost["failure"]
    assert all(np.isnan(lost[column]) for column in columns - {"name", "technique", "format", "failure"})


def answers(split, right, tmp_path, name):
    """An artifact that is right where `right` says so."""
    y_pred = np.where(right, split.y, 1 - split.y)
    predictions = predictions_of(split, 5.0 * np.eye(2)[y_pred])
    predictions.save(tmp_path / f"{name}.npz")
    return Artifact("toy", name, "tflite", predictions=tmp_path / f"{name}.npz"), predictions


def test_change_of_accuracy_counts_lost_and_won_examples(split, tmp_path):
    before = np.arange(COUNT) < 18
    after = (np.arange(COUNT) < 12) | (np.arange(COUNT) >= 22)  # six lost, two won
    _, baseline = answers(split, before, tmp_path, "before")
    artifact, _ = answers(split, after, tmp_path, "after")
    (row,) = comparison_rows([artifact], baseline, {}, reference="after.tflite", draws=400, seed=0)
    assert row["accuracy_change"] == pytest.approx(-4 / COUNT)
    assert row["accuracy_change_low"] < -4 / COUNT < row["accuracy_change_high"]
    assert row["p_value"] == pytest.approx(2 * (1 + 8 + 28) / 2**8)  # binomial, 2 or fewer of 8, both sides


def test_compression_that_hurts_one_group_alone_shows_in_that_group_alone(split, tmp_path):
    sex = np.where(np.arange(COUNT) < 8, "female", "male")
    grouped = Split(split.x, split.y, split.group_ids, split.example_ids, {"sex": sex})
    _, baseline = answers(grouped, np.ones(COUNT, bool), tmp_path, "before")
    artifact, _ = answers(grouped, (sex == "male") | (np.arange(COUNT) % 2 == 0), tmp_path, "after")
    rows = {row["group"]: row for row in subgroup_rows([artifact], baseline, draws=100, seed=0)}
    assert (rows["female"]["count"], rows["male"]["count"]) == (8, 16)
    # Each lesion has two images, of which one is lost: the change is the same in every bootstrap sample.
    female = [rows["female"][f"accuracy_change{end}"] for end in ("", "_low", "_high")]
    assert female == pytest.approx([-0.5] * 3)
    assert [rows["male"][f"accuracy_change{end}"] for end in ("", "_low", "_high")] == [0.0] * 3


def test_models_take_turns_and_each_call_is_timed():
    calls = []

    class Counted:
        def __init__(self, name):
            self.name = name

        def prepare(self, row):
            return row

        def run(self, tensor):
            calls.append(self.name)

    times = latencies([Counted("a"), Counted("b")], np.zeros((2, 1)), rounds=6)
    assert times.shape == (2, 24)
    timed = calls[20:]  # behind ten warm-up calls each
    turns = [timed[start] for start in range(0, len(timed), 5)]
    assert sorted(turns) == ["a"] * 6 + ["b"] * 6
    assert turns not in (["a"] * 6 + ["b"] * 6, ["b"] * 6 + ["a"] * 6)
