"""`part5` from end to end, on the tiny Part 2 of conftest.py and on files of Part 4 whose answers are made up."""

import csv
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tfhealth import config_part5
from tfhealth.compression.artifact import Artifact
from tfhealth.config_part5 import PART5
from tfhealth.parts import part5
from tfhealth.report.ethics import FEWEST_WORDS, MOST_WORDS
from tfhealth.run import main
from tfhealth.training.record import Predictions

TINY = replace(PART5["quick"], draws=30, permutations=200, oracle_draws=2, retraining_epochs=1)
HEADINGS = ["Privacy", "Fairness", "Transparency and explainability", "Clinical validation", "Dual-use risks"]
HURT = "female"


def save_file(folder, technique, answers):
    """Leaves what Part 4 leaves of a file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{technique}.tflite"
    path.touch()
    for split, predictions in answers.items():
        predictions.save(folder / f"{path.name}{'' if split == 'test' else '.validation'}.npz")
    Artifact("final", technique, "tflite", path, predictions=folder / f"{path.name}.npz").save(folder)


def blind_to(group, predictions):
    """The same answers, but with every image of a group taken for the last class, a benign one."""
    y_prob = predictions.y_prob.copy()
    y_prob[predictions.sensitive_features["sex"] == group] = [0.0] * (y_prob.shape[1] - 1) + [1.0]
    return replace(predictions, y_prob=y_prob)


def command(work, *more):
    return ["part5", "--run", "tiny", "--workdir", str(work), *more]


@pytest.fixture(scope="module")
def environment(part2_run):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(config_part5.PART5, "quick", TINY)
        patch.setenv("TFHEALTH_CACHE", str(part2_run / "cache"))
        yield


@pytest.fixture(scope="module")
def finished(part2_run, tmp_path_factory, environment):
    """The working folder of a finished run of `part5`, after a second start that trained nothing."""
    work = tmp_path_factory.mktemp("part5")
    shutil.copytree(part2_run / "exports", work / "exports")
    final, artifacts = work / "exports/tiny/part2/final", work / "exports/tiny/part4/artifacts"
    answers = {name: Predictions.load(final / f"predictions_{name}.npz", "") for name in ("validation", "test")}
    save_file(artifacts, "same", answers)
    save_file(artifacts, "blind", {"validation": answers["validation"], "test": blind_to(HURT, answers["test"])})
    Artifact("final", "broken", "tflite", failure="the converter crashed").save(artifacts)
    Artifact("another_model", "other", "onnx", artifacts / "other.onnx").save(artifacts)
    assert main(command(work, "--debug")) == 0
    before = {path: path.stat().st_mtime_ns for path in work.rglob("mitigated/**/*.*")}
    assert before
    assert main(command(work, "--debug")) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before, "computed again"
    return work


def folder_of(work):
    return work / "exports/tiny/part5"


def findings(work):
    return json.loads((folder_of(work) / "findings.json").read_text())


def rows_of(work, table):
    return list(csv.DictReader((folder_of(work) / f"{table}.csv").read_text().splitlines()))


def test_every_deliverable_of_part_5_is_there(finished):
    found = findings(finished)
    for file in [*found["tables"].values(), *found["figures"].values(), "analysis.md", "recommendations.md"]:
        assert (folder_of(finished) / file).stat().st_size > 0, file
    assert set(found["figures"]) == {"groups", "gaps", "reliability", "compression", "mitigation", "trade_off"}
    for figure in found["figures"].values():
        with Image.open(folder_of(finished) / figure) as image:
            assert image.width == 1300
    assert not list(finished.rglob("*.partial*"))


def test_both_views_are_audited_by_every_feature_and_the_crossed_one(finished):
    rows = rows_of(finished, "groups")
    assert {row["view"] for row in rows} == {"malignant", "one-vs-rest"}
    assert {row["feature"] for row in rows} == {"sex", "age_band", "skin_tone", "sex x age_band"}


def test_recall_of_a_group_is_that_of_the_saved_predictions_at_the_threshold_of_validation(finished):
    final = finished / "exports/tiny/part2/final"
    test = Predictions.load(final / "predictions_test.npz", "")
    view, model = (findings(finished)["values"][name] for name in ("view", "model"))
    wanted = {"view": "malignant", "model": model, "group": "male"}
    (row,) = (row for row in rows_of(finished, "groups") if wanted.items() <= row.items())
    melanoma = findings(finished)["values"]["data"]["class_names"].index("melanoma")
    chosen = (test.sensitive_features["sex"] == "male") & (test.y_true == melanoma)
    recall = np.mean(test.y_prob[chosen, melanoma].astype(float) >= view["threshold"])
    assert float(row["recall"]) == pytest.approx(recall, abs=1e-5)


def test_file_that_answers_alike_changes_nothing_and_one_that_fails_a_group_is_named(finished):
    changes = rows_of(finished, "compression_groups")
    assert {row["artifact"] for row in changes} == {"same.tflite", "blind.tflite"}
    assert all(float(row["change"]) == 0 for row in changes if row["artifact"] == "same.tflite")
    compression = findings(finished)["values"]["compression"]
    assert (compression["artifacts"], compression["harmed"]) == (2, 1)
    assert compression["worst"]["artifact"] == "blind.tflite"
    assert HURT in compression["worst"]["group"]
    assert any("Do not ship blind.tflite" in line for line in findings(finished)["values"]["recommendations"])


def test_small_cells_are_in_no_table(finished):
    for table in findings(finished)["tables"]:
        for row in rows_of(finished, table):
            counts = [row.get(name) for name in ("units", "examples", "positives") if row.get(name)]
            assert all(count == "<10" or int(count) == 0 or int(count) >= 10 for count in counts), (table, row)


def test_five_mitigations_are_priced_and_what_everyone_pays_is_in_the_table(finished):
    prices = rows_of(finished, "mitigation_price")
    assert len(prices) == 5
    rows = rows_of(finished, "mitigation")
    assert {row["mitigation"] for row in rows} == {price["mitigation"] for price in prices}
    assert {row["group"] for row in rows} > {"everyone"}


def test_ethics_report_keeps_its_length_its_headings_and_its_words(finished):
    text = findings(finished)["text"]
    assert FEWEST_WORDS <= len(text.split()) <= MOST_WORDS
    assert re.findall(r"^### (.+)$", text, re.MULTILINE) == HEADINGS
    assert not re.search(r"unbiased|fair model|debias", text, re.IGNORECASE)
    assert "planted gap" in text


def test_recommendations_name_an_action_and_a_number(finished):
    lines = findings(finished)["values"]["recommendations"]
    assert len(lines) >= 2
    assert all(re.search(r"\d", line) for line in lines)


def test_gaps_of_every_model_are_in_tensorboard(finished):
    logs = finished / "logs/tiny/part5"
    for model in (findings(finished)["values"]["model"], "same.tflite", "blind.tflite"):
        tags = EventAccumulator(str(logs / "models" / model)).Reload().Tags()["tensors"]
        assert any("equal_opportunity_difference/sex" in tag for tag in tags)
    assert list((logs / "report").glob("events.*"))


def test_data_without_features_are_audited_by_stand_ins(finished, tmp_path, monkeypatch, environment):
    load = part5.load_images

    def without_features(*arguments):
        loaded = load(*arguments)
        bundle = {s: replace(getattr(loaded.bundle, s), sensitive_features={}) for s in ("train", "validation", "test")}
        (model,) = loaded.sources
        answers = {s: replace(getattr(model, s), sensitive_features={}) for s in ("validation", "test")}
        return replace(loaded, bundle=replace(loaded.bundle, **bundle), sources=(replace(model, **answers),))

    monkeypatch.setattr(part5, "load_images", without_features)
    shutil.copytree(finished / "exports/tiny/part2", tmp_path / "exports/tiny/part2")
    assert main(command(tmp_path, "--debug")) == 0
    found = findings(tmp_path)
    assert found["values"]["fairness"]["proxies"] == ["image_brightness", "image_contrast"]
    assert found["values"]["mitigation"] is None
    assert FEWEST_WORDS <= len(found["text"].split()) <= MOST_WORDS
    assert "no sensitive feature" in found["text"]
    assert len(found["values"]["recommendations"]) >= 2


def test_run_without_part_2_says_which_command_makes_it(tmp_path, capsys):
    assert main(command(tmp_path)) == 2
    assert "run `python -m tfhealth.run part2 --image phantom" in capsys.readouterr().err
