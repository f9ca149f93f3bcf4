"""The command line from end to end, on a phantom small enough to take a minute."""

import csv
import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tfhealth import config
from tfhealth.run import main


@pytest.fixture(scope="module")
def finished(part2_run, tiny_part2):
    """The folder of a finished run of `part2`, after a second start that found nothing to do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(config.PART2, "quick", tiny_part2)
        patch.setenv("TFHEALTH_CACHE", str(part2_run / "cache"))
        before = {path: path.stat().st_mtime_ns for path in part2_run.rglob("model.keras")}
        assert main(["part2", "--run", "tiny", "--workdir", str(part2_run), "--debug"]) == 0
        assert {path: path.stat().st_mtime_ns for path in part2_run.rglob("model.keras")} == before, "trained again"
    return part2_run


def findings(work: Path) -> dict:
    return json.loads((work / "exports/tiny/part2/findings.json").read_text())


def test_every_deliverable_is_there(finished):
    folder = finished / "exports/tiny/part2"
    found = findings(finished)
    for file in [*found["tables"].values(), *found["figures"].values(), "analysis.md", "tracking_cost.json"]:
        assert (folder / file).stat().st_size > 0, file
    for figure in found["figures"].values():
        with Image.open(folder / figure) as image:
            assert image.width == 1300  # 6.5 inches at 200 dpi
    assert keras.saving.load_model(folder / "final/model.keras").output_shape == (None, 3)
    assert not list(finished.rglob("*.partial*"))


def test_comparison_holds_every_capacity_size_and_variant(finished):
    text = (finished / "exports/tiny/part2/comparison.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == 2 * 2 + 4
    assert {row["split"] for row in rows} == {"validation", "test"}
    for row in rows:
        assert float(row["balanced_accuracy_low"]) <= float(row["balanced_accuracy"])
        assert float(row["balanced_accuracy"]) <= float(row["balanced_accuracy_high"])


def test_every_number_of_the_text_stands_in_the_findings(finished):
    found = findings(finished)
    standing = list(numbers_in(found["values"]))
    for word in re.findall(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?![\w])", found["text"].replace("95 %", "")):
        decimals = len(word.partition(".")[2])
        assert any(f"{abs(value):.{decimals}f}" == word.lstrip("+-") for value in standing), word


def numbers_in(value):
    if isinstance(value, dict):
        for item in value.values():
            yield from numbers_in(item)
    elif isinstance(value, list):
        yield float(len(value))
        for item in value:
            yield from numbers_in(item)
    elif isinstance(value, (int, float)):
        yield float(value)
    elif isinstance(value, str):
        yield from map(float, re.findall(r"\d+(?:\.\d+)?", value))


def test_text_has_the_length_that_is_asked_for(finished):
    assert 200 <= len(findings(finished)["text"].split()) <= 300


def test_report_says_that_the_phantom_is_synthetic_and_the_software_no_medical_device(finished):
    caveats = " ".join(findings(finished)["caveats"])
    assert "synthetic" in caveats
    assert "not a medical device" in caveats


def test_tensorboard_holds_everything_that_was_promised(finished):
    logs = finished / "logs/tiny/part2"
    final = {tag for folder in ("train", "validation", "gradients") for tag in tags(logs / "final" / folder)}
    assert {"epoch_loss", "epoch_learning_rate", "keras", "gradient_norm/stem_conv"} <= final
    assert any(tag.startswith("gradients/") for tag in final)
    assert any(tag.startswith("weights/") for tag in final)
    report = tags(logs / "report")
    assert {"figures/confusion_matrix", "figures/predictions", "melanoma/pr_curves"} <= report
    trial = tags(logs / "tuning" / "trial_00")
    assert "_hparams_/session_start_info" in trial


def tags(folder: Path) -> set[str]:
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    found = set()
    for names in accumulator.Tags().values():
        found |= set(names) if isinstance(names, list) else set()
    return found | set(accumulator.summary_metadata)


def test_no_group_is_in_two_splits_of_the_saved_predictions(finished):
    folder = finished / "exports/tiny/part2/final"
    groups = {}
    for split in ("train", "validation", "test"):
        with np.load(folder / f"predictions_{split}.npz") as arrays:
            groups[split] = set(arrays["group_ids"])
    assert not groups["train"] & groups["test"]
    assert not groups["train"] & groups["validation"]
    assert not groups["validation"] & groups["test"]


def test_other_settings_under_the_same_name_are_refused(finished, tiny_part2, monkeypatch, capsys):
    monkeypatch.setitem(config.PART2, "quick", replace(tiny_part2, trials=3))
    monkeypatch.setenv("TFHEALTH_CACHE", str(finished / "cache"))
    assert main(["part2", "--run", "tiny", "--workdir", str(finished)]) == 2
    assert "other settings (config)" in capsys.readouterr().err


def test_unknown_data_set_is_one_line_and_exit_code_2(tmp_path, capsys):
    assert main(["part2", "--image", "nonsense", "--workdir", str(tmp_path)]) == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert "nonsense" in message
    assert "ham10000" in message


def test_help_answers_in_half_a_second():
    times = []
    for _ in range(3):
        start = time.monotonic()
        subprocess.run([sys.executable, "-m", "tfhealth.run", "--help"], check=True, capture_output=True)
        times.append(time.monotonic() - start)
    assert min(times) < 0.5


def test_data_lists_every_source_with_its_licence(capsys, tmp_path):
    assert main(["data", "--data-dir", str(tmp_path)]) == 0
    listed = capsys.readouterr().out
    assert "ham10000" in listed
    assert "CC BY-NC 4.0" in listed
    assert "not here" in listed
