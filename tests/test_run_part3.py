"""`part3` from end to end, on the tiny Part 2 that conftest.py makes: VAE and GAN."""

import csv
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_breast_cancer

from tfhealth import config_part3
from tfhealth.config import Capacity
from tfhealth.config_part3 import PART3, TABULAR
from tfhealth.data.synthetic_files import is_marked
from tfhealth.run import main

QUICK = PART3["quick"]
SMALL = {"epochs": 2, "width": 4, "latent": 6, "batch_size": 32}
TINY = replace(
    QUICK,
    vae=replace(QUICK.vae, **SMALL),
    plain=replace(QUICK.plain, **SMALL),
    gan=replace(QUICK.gan, **SMALL),
    guide=Capacity("resnet8", 2),
    guide_training=replace(QUICK.guide_training, epochs=1, resolutions=()),
    useful=replace(QUICK.useful, epochs=1, resolutions=((16, 1.0),)),
    seeds=2,
    candidates=2,
    synthetic=6,
    judged=40,
    draws=5,
    bootstrap_draws=20,
    pairs=5,
)
TINY_RECORDS = replace(
    TABULAR["quick"],
    vae=replace(TABULAR["quick"].vae, epochs=2, width=4, latent=3),
    private=replace(TABULAR["quick"].private, epochs=2, width=4),
    attacks=20,
    draws=5,
    bootstrap_draws=20,
    seeds=2,
    secrets=1,
)
FOLDERS = {"vae": "part3", "gan": "part3_gan"}
PRIVATE = {"vae": ("--epsilon", "1,8"), "gan": ()}


def start(work, part2_run, *more):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(config_part3.PART3, "quick", TINY)
        patch.setitem(config_part3.TABULAR, "quick", TINY_RECORDS)
        patch.setenv("TFHEALTH_CACHE", str(part2_run / "cache"))
        return main(["part3", "--run", "tiny", "--workdir", str(work), *more])


@pytest.fixture(scope="module", params=FOLDERS)
def finished(request, part2_run, tmp_path_factory):
    """(working folder, model) of a finished run of `part3`."""
    work = tmp_path_factory.mktemp(request.param)
    shutil.copytree(part2_run / "exports", work / "exports")
    assert start(work, part2_run, "--model", request.param, "--debug", *PRIVATE[request.param]) == 0
    return work, request.param


def folder_of(finished):
    work, model = finished
    return work / "exports/tiny" / FOLDERS[model]


def findings(finished):
    return json.loads((folder_of(finished) / "findings.json").read_text())


def test_every_deliverable_of_part_3_is_there(finished):
    folder, found = folder_of(finished), findings(finished)
    for file in [*found["tables"].values(), *found["figures"].values(), "analysis.md", "challenges.md"]:
        assert (folder / file).stat().st_size > 0, file
    for figure in found["figures"].values():
        with Image.open(folder / figure) as image:
            assert image.width == 1300
    assert {"samples", "classes", "interpolations", "losses", "realism", "usefulness"} <= set(found["figures"])
    assert {"records_losses", "records_columns", "records_usefulness", "records_attacks"} <= set(found["figures"])
    assert ("reconstructions" in found["figures"]) == (finished[1] == "vae")
    assert "They show no patient" in (folder / "synthetic/card.md").read_text()
    assert not list(finished[0].rglob("*.partial*"))


def test_every_synthetic_file_carries_its_mark(finished):
    files = sorted((folder_of(finished) / "synthetic/images").rglob("*.png"))
    assert len(files) == 3 * TINY.synthetic
    assert all(is_marked(file) for file in files)


def test_synthetic_records_are_marked_and_lie_within_the_real_ones(finished):
    rows = list(csv.DictReader((folder_of(finished) / "synthetic/records.csv").read_text().splitlines()))
    plain = load_breast_cancer()
    assert len(rows) == findings(finished)["values"]["records"]["data"]["train"]
    assert {row.pop("synthetic") for row in rows} == {"yes"}
    assert {row.pop("diagnosis") for row in rows} == {"malignant", "benign"}
    made = np.array([[float(row[name]) for name in plain.feature_names] for row in rows])
    assert (made >= plain.data.min(0)).all()
    assert (made <= plain.data.max(0)).all()


def test_records_are_judged_used_and_attacked_beside_their_yardsticks(finished):
    found = findings(finished)["values"]["records"]
    assert [row["records"] for row in found["realism"]] == ["synthetic", "real training", "real, columns shuffled"]
    assert {row["trained_on"] for row in found["usefulness"]["roc_auc"]} == {"real", "synthetic"}
    assert all(len(row["by_seed"]) == 2 for row in found["usefulness"]["roc_auc"])
    assert [row["attack"] for row in found["privacy"]["attacks"]] == ["attribute inference"] * 2 + ["singling out"]
    assert [row["attacker_has"] for row in found["privacy"]["membership"]] == ["released records", "the model"]
    assert found["privacy"]["tests"] == 7
    card = (folder_of(finished) / "synthetic/card.md").read_text()
    assert "They are of no patient" in card
    assert "The patient records" in (folder_of(finished) / "challenges.md").read_text()


def test_records_with_privacy_have_a_file_a_guarantee_and_a_price_at_each_epsilon(finished):
    folder, rows = folder_of(finished), findings(finished)["values"]["records"]["private"]
    assert ("records_private" in findings(finished)["tables"]) == bool(rows) == (finished[1] == "vae")
    if not rows:
        return
    assert [row["file"] for row in rows] == ["records.csv", "records_epsilon_1.csv", "records_epsilon_8.csv"]
    assert [row["epsilon"] for row in rows] == [None, pytest.approx(1, rel=0.01), pytest.approx(8, rel=0.01)]
    assert rows[1]["noise"] > rows[2]["noise"] > 0
    for row in rows:
        assert (
            len((folder / "synthetic" / row["file"]).read_text().splitlines())
            == 1 + findings(finished)["values"]["records"]["data"]["train"]
        )
        for score in ("logistic_regression", "gradient_boosting", "membership_auc"):
            assert 0 <= row[f"{score}_low"] <= row[score] <= row[f"{score}_high"] <= 1
    card = (folder / "synthetic/card.md").read_text()
    assert "the accountant" in card.lower()
    assert "must not know the seed" in card
    assert "At what price?" in (folder / "challenges.md").read_text()


@pytest.mark.parametrize("text", ["none", "0", "1,1", "-3", "nan", "1;8"])
def test_epsilon_that_is_none_is_one_line_and_exit_code_2(text, part2_run, tmp_path, capsys):
    assert start(tmp_path, part2_run, f"--epsilon={text}") == 2
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("tfhealth: "))
    assert line.startswith(f"tfhealth: --epsilon {text}: give")


def test_every_set_of_images_is_judged_beside_its_yardsticks(finished):
    rows = list(csv.DictReader((folder_of(finished) / "realism.csv").read_text().splitlines()))
    own = {"vae": {"VAE", "VAE, prior only", "plain VAE"}, "gan": {"GAN", "GAN, unchosen"}}[finished[1]]
    for space in ("classifier features", "8x8 pixels"):
        found = {row["images"]: float(row["frechet_distance"]) for row in rows if row["space"] == space}
        assert set(found) == own | {"real held-out", "noise"}
        assert found["real held-out"] < found["noise"]


def test_collapse_is_diagnosed_on_the_vae_with_and_without_remedies(finished):
    found = findings(finished)["values"]["reconstruction"]
    assert set(found) == ({"vae", "plain"} if finished[1] == "vae" else set())
    for one in found.values():
        assert len(one["collapse"]["kl"]) == 6
        assert one["psnr_db"]["low"] <= one["psnr_db"]["value"] <= one["psnr_db"]["high"]


def test_usefulness_is_measured_over_the_seeds_on_every_kind_of_training_data(finished):
    found = findings(finished)["values"]["usefulness"]
    assert set(found["balanced_accuracy"]) == {"real", "synthetic", "augmented", "real_on_synthetic"}
    assert all(len(row["by_seed"]) == 2 for row in found["balanced_accuracy"].values())
    assert found["trained_on"]["augmented"] > found["trained_on"]["real"] == found["trained_on"]["synthetic"]


def test_text_of_part_3_has_the_length_that_is_asked_for_and_only_numbers_of_the_findings(finished):
    found = findings(finished)
    assert 150 <= len(found["text"].split()) <= 200
    standing = [abs(value) for value in numbers_in(found["values"])] + [0.01, 0.5, 1]
    for word in re.findall(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?![\w])", found["text"].replace("95 %", "")):
        decimals = len(word.partition(".")[2])
        assert any(f"{value:.{decimals}f}" == word.lstrip("+-") for value in standing), word


def numbers_in(value):
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from numbers_in(item)
    elif isinstance(value, (int, float)):
        yield float(value)


def test_second_start_trains_and_writes_nothing_anew(finished, part2_run):
    def made():
        kept = ("*.keras", "*.npz", "synthetic_*.png", "run.json")
        return {path: path.stat().st_mtime_ns for end in kept for path in folder_of(finished).rglob(end)}

    before, text = made(), findings(finished)["text"]
    assert start(finished[0], part2_run, "--model", finished[1], *PRIVATE[finished[1]]) == 0
    assert made() == before
    assert findings(finished)["text"] == text


def test_tensorboard_has_curves_samples_figures_and_the_latent_space(finished):
    logs, name = finished[0] / "logs/tiny" / FOLDERS[finished[1]], finished[1]
    for folder in (f"{name}/train", f"{name}/samples", "report", "guide/train"):
        assert list((logs / folder).glob("events.*")), folder
    assert (logs / "projector/tensors.tsv").exists() == (name == "vae")


def test_without_part_2_the_error_names_the_command_that_makes_it(part2_run, tmp_path, capsys):
    assert start(tmp_path, part2_run) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("tfhealth: ")]
    assert len(lines) == 1
    assert "run `python -m tfhealth.run part2 --image phantom --profile quick --seed 0 --run tiny" in lines[0]


def test_images_of_two_starts_with_one_seed_are_the_same(finished, part2_run, tmp_path):
    shutil.copytree(part2_run / "exports", tmp_path / "exports")
    shutil.copytree(folder_of(finished), tmp_path / "exports/tiny" / FOLDERS[finished[1]])
    copied = tmp_path / "exports/tiny" / FOLDERS[finished[1]] / "synthetic"
    shutil.rmtree(copied)
    assert start(tmp_path, part2_run, "--model", finished[1]) == 0
    for path in sorted((folder_of(finished) / "synthetic").rglob("*.png")):
        with Image.open(path) as first, Image.open(copied / path.relative_to(folder_of(finished) / "synthetic")) as two:
            np.testing.assert_array_equal(np.asarray(first), np.asarray(two))
