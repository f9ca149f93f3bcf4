"""`part4` from end to end, on the tiny Part 2 that conftest.py makes."""

import csv
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tfhealth import config_part4
from tfhealth.config import Capacity
from tfhealth.config_part4 import PART4
from tfhealth.data.image import load_image_dataset
from tfhealth.data.image_source import ImageOptions
from tfhealth.run import main
from tfhealth.training.predict import predictions_of
from tfhealth.training.record import Predictions

QUICK = PART4["quick"]
TINY = replace(
    QUICK,
    tune=replace(QUICK.tune, epochs=1, batch_size=32),
    student=Capacity("resnet8", 2),
    distillation=replace(QUICK.distillation, epochs=1, batch_size=32),
    trial=replace(QUICK.trial, epochs=1, batch_size=32),
    examples=16,
    timed=5,
    rounds=3,
    bootstrap_draws=30,
)
TECHNIQUES = "int8,onnx,pqat,distill,qat"


def command(work, *more):
    return ["part4", "--run", "tiny", "--workdir", str(work), "--techniques", TECHNIQUES, *more]


@pytest.fixture(scope="module")
def finished(part2_run, tmp_path_factory):
    """The working folder of a finished run of `part4` in which quantization-aware training fails."""
    work = tmp_path_factory.mktemp("part4")
    shutil.copytree(part2_run / "exports", work / "exports")

    def broken(*arguments, **more):
        raise ValueError("the toolkit refuses this layer\nand says more")

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(config_part4.PART4, "quick", TINY)
        patch.setenv("TFHEALTH_CACHE", str(part2_run / "cache"))
        patch.setattr("tfhealth.parts.part4_techniques._save_quantized", broken)
        assert main(command(work, "--debug")) == 0
    return work


@pytest.fixture
def again(finished, part2_run, monkeypatch):
    """Starts the same command once more, with more options."""
    monkeypatch.setitem(config_part4.PART4, "quick", TINY)
    monkeypatch.setenv("TFHEALTH_CACHE", str(part2_run / "cache"))
    return lambda *more: main(command(finished, *more))


def findings(work):
    return json.loads((work / "exports/tiny/part4/findings.json").read_text())


def rows_of(work):
    text = (work / "exports/tiny/part4/comparison.csv").read_text()
    return {row["name"]: row for row in csv.DictReader(text.splitlines())}


def test_every_deliverable_of_part_4_is_there(finished):
    folder = finished / "exports/tiny/part4"
    found = findings(finished)
    for file in [*found["tables"].values(), *found["figures"].values(), "analysis.md"]:
        assert (folder / file).stat().st_size > 0, file
    for figure in found["figures"].values():
        with Image.open(folder / figure) as image:
            assert image.width == 1300
    assert {"comparison", "pareto"} <= set(found["figures"])
    assert not list(finished.rglob("*.partial*"))


def test_technique_that_fails_is_a_row_with_its_reason_and_the_others_go_on(finished):
    rows = rows_of(finished)
    assert rows["qat_int8.tflite"]["failure"] == "the toolkit refuses this layer"
    assert rows["qat_int8.tflite"]["accuracy"] == ""
    made = {name for name, row in rows.items() if not row["failure"]}
    assert made == {
        "float32.tflite", "int8.tflite", "float32.onnx", "int8.onnx", "pruned80_qat_int8.tflite", "student.tflite",
        "student_int8.tflite", "student_float32.onnx", "student_int8.onnx",
    }  # fmt: skip


def test_float32_file_answers_as_the_keras_model_and_int8_is_smaller(finished):
    rows = rows_of(finished)
    assert float(rows["float32.tflite"]["max_abs_error"]) < 1e-4  # float32
    assert float(rows["float32.tflite"]["accuracy_change"]) == 0
    assert float(rows["int8.tflite"]["times_smaller"]) > 1.5
    assert all(float(row["latency_p50_1_threads_ms"]) > 0 for row in rows.values() if not row["failure"])


def test_predictions_of_every_file_fit_the_baselines_row_by_row(finished):
    folder = finished / "exports/tiny/part4"
    for split, end in (("test", ""), ("validation", ".validation")):
        (path,) = folder.glob(f"baseline/*_{split}.npz")
        baseline = Predictions.load(path, "part4")
        for name, row in rows_of(finished).items():
            if not row["failure"]:
                own = Predictions.load(folder / f"artifacts/{name}{end}.npz", "part4")
                assert own.example_ids.tolist() == baseline.example_ids.tolist()
                assert set(own.sensitive_features) == set(baseline.sensitive_features) != set()


def test_drop_of_what_may_be_recommended_is_measured_on_validation_in_all_orientations(finished):
    folder, rows = finished / "exports/tiny/part4", rows_of(finished)
    assert rows["qat_int8.tflite"]["validation_orientations"] == "0"  # it failed
    (plain,) = (Predictions.load(path, "part4") for path in folder.glob("baseline/*_validation.npz"))
    (turned,) = (Predictions.load(path, "part4") for path in folder.glob("baseline/*_validation_orientations.npz"))
    assert turned.example_ids.tolist() == 8 * plain.example_ids.tolist()
    np.testing.assert_allclose(turned.y_prob[: len(plain.y_true)], plain.y_prob, atol=1e-5)
    own = Predictions.load(folder / "artifacts/int8.tflite.validation_orientations.npz", "part4")
    drop = np.mean(own.y_pred == own.y_true) - np.mean(turned.y_pred == turned.y_true)
    assert rows["int8.tflite"]["validation_orientations"] == "8"
    assert float(rows["int8.tflite"]["validation_accuracy_change"]) == pytest.approx(drop, abs=1e-6)


def test_saved_file_reproduces_its_recorded_predictions_in_a_fresh_process(finished, part2_run, tiny_part2):
    options = ImageOptions(image_size=tiny_part2.image_size, phantom_size=tiny_part2.phantom_size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFHEALTH_CACHE", str(part2_run / "cache"))
        test = load_image_dataset("phantom", options).test
    folder = finished / "exports/tiny/part4/artifacts"
    np.save(finished / "images.npy", test.x.take(slice(None)).astype(np.float32))
    code = (
        "import sys, numpy as np\nfrom pathlib import Path\n"
        "from tfhealth.compression.runtime import load_runner, run_all\n"
        "runner = load_runner(Path(sys.argv[1]))\n"
        "np.save(sys.argv[3], run_all(runner, [np.load(sys.argv[2])]))"
    )
    arguments = [str(folder / "student_int8.tflite"), str(finished / "images.npy"), str(finished / "logits.npy")]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)
    expected = Predictions.load(folder / "student_int8.tflite.npz", "part4")
    np.testing.assert_array_equal(predictions_of(test, np.load(finished / "logits.npy")).y_prob, expected.y_prob)


def test_text_of_part_4_has_the_length_that_is_asked_for(finished):
    assert 100 <= len(findings(finished)["text"].split()) <= 150


def test_every_number_of_part_4s_text_stands_in_the_findings(finished):
    found = findings(finished)
    standing = [abs(value) for value in numbers_in(found["values"])]
    failed = sum(bool(row["failure"]) for row in found["values"]["artifacts"])
    standing += [failed, len(found["values"]["artifacts"]) - failed]
    for word in re.findall(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?![\w])", found["text"].replace("95 %", "")):
        decimals = len(word.partition(".")[2])
        assert any(f"{value:.{decimals}f}" == word.lstrip("+-") for value in standing), word


def numbers_in(value):
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from numbers_in(item)
    elif isinstance(value, (int, float)):
        yield float(value)
    elif isinstance(value, str):
        yield from map(float, re.findall(r"\d+(?:\.\d+)?", value))


def test_model_card_says_what_the_files_are_not_for_and_names_the_failed_one(finished):
    card = (finished / "exports/tiny/part4/artifacts/model_card.md").read_text()
    for words in ("Not a medical device", "licence Apache-2.0", "failed: the toolkit refuses this layer", "Synthetic"):
        assert words in card


def test_example_beside_the_files_runs_one_on_an_image(finished, tmp_path):
    folder = finished / "exports/tiny/part4/artifacts"
    Image.fromarray(np.full((40, 50, 3), 128, np.uint8)).save(tmp_path / "image.png")
    arguments = [sys.executable, str(folder / "predict_image.py"), str(folder / "int8.tflite"), "image.png"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "melanoma" in done.stdout


def test_second_start_makes_nothing_anew_and_obeys_other_limits(finished, again):
    def made():
        kept = ("*.tflite", "*.onnx", "*.npz", "model.keras", "speed.json", "saved_model.pb")
        return {p: p.stat().st_mtime_ns for end in kept for p in (finished / "exports/tiny/part4").rglob(end)}

    before = {path: time for path, time in made().items() if path.parent.name != "baseline"}
    assert again("--max-mb", "0.000001") == 0
    assert before.items() <= made().items()
    choice = findings(finished)["values"]["recommendation"]
    assert choice["name"] is None
    assert choice["decided_by"] == ["max_mb"]
    assert {row["validation_orientations"] for row in rows_of(finished).values()} == {"0", "1"}  # 0: it failed
    assert 100 <= len(findings(finished)["text"].split()) <= 150
    assert again() == 0
    assert findings(finished)["values"]["recommendation"]["name"] is not None


def test_tensorboard_has_the_figures_and_every_file(finished):
    logs = finished / "logs/tiny/part4"
    for folder in ("report", "artifacts/int8.tflite", "distillation/student/train"):
        assert list((logs / folder).glob("events.*")), folder


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--techniques", "int8,magic"], "technique 'magic' is unknown"),
        (["--phantom-bias", "0.5"], "made with other options (phantom_bias)"),
        (["--from", "part1", "--techniques", "int8"], "python -m tfhealth.run part1 --text notes"),
        (["--run", "absent"], "python -m tfhealth.run part2 --image phantom --profile quick --seed 0 --run absent"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_exit_code_2(finished, again, capsys, more, message):
    assert again(*more) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("tfhealth: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert not (finished / "exports/absent").exists()


def test_model_that_was_trained_anew_is_refused(finished, again, capsys):
    path = finished / "exports/tiny/part4/settings.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps(settings | {"models": dict.fromkeys(settings["models"], "another")}))
    assert again() == 2
    assert "other settings (models)" in capsys.readouterr().err
    path.write_text(json.dumps(settings))
