"""`part1` from end to end, on notes few enough to take a minute."""

import csv
import json
import re
from dataclasses import replace
from itertools import product

import keras
import keras_hub
import numpy as np
import pytest
from PIL import Image
from tokenizers import Tokenizer

from tfhealth import config, config_part5
from tfhealth.config import PART1, TextTraining
from tfhealth.run import main

QUICK = PART1["quick"]
SHORT = TextTraining(epochs=2)
TINY = replace(
    QUICK,
    notes_size=400,
    vocabulary_size=1000,
    sequence_length=40,
    lstm=replace(QUICK.lstm, width=8, training=SHORT),
    transformer=replace(QUICK.transformer, width=16, training=SHORT),
    dropouts=(0.1, 0.3),
    l2s=(1e-5,),
    grid_epochs=1,
    finalists=2,
    probe=replace(SHORT, epochs=1),
    probe_width=8,
    probe_steps=20,
    probe_texts=20,
    encoder=replace(QUICK.encoder, epochs=1),
    encoder_length=16,
    attention_texts=20,
    bootstrap_draws=30,
)


def save_tiny_encoder(folder):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz", "patient", "history"]
    size = {"num_layers": 3, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}
    keras_hub.models.BertBackbone(vocabulary_size=len(words), max_sequence_length=32, **size).save_to_preset(folder)
    keras_hub.models.BertTokenizer(vocabulary=words, lowercase=True).save_to_preset(folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run of `part1`."""
    work = tmp_path_factory.mktemp("work")
    save_tiny_encoder(work / "encoder")
    command = ["part1", "--run", "tiny", "--workdir", str(work), "--encoder", str(work / "encoder"), "--debug"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(config.PART1, "quick", TINY)
        assert main(command) == 0
        before = {path: path.stat().st_mtime_ns for path in work.rglob("model.keras")}
        assert main(command) == 0
        assert {path: path.stat().st_mtime_ns for path in work.rglob("model.keras")} == before, "trained again"
    return work


def findings(work):
    return json.loads((work / "exports/tiny/part1/findings.json").read_text())


def test_every_deliverable_of_part_1_is_there(finished):
    folder = finished / "exports/tiny/part1"
    found = findings(finished)
    for file in [*found["tables"].values(), *found["figures"].values(), "analysis.md", "tokenizer.json"]:
        assert (folder / file).stat().st_size > 0, file
    assert {"learning_curves", "regularization", "gradient_norms", "time_steps", "attention", "attention_distance"} <= (
        set(found["figures"])
    )
    for figure in found["figures"].values():
        with Image.open(folder / figure) as image:
            assert image.width == 1300
    assert (
        Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
        == found["values"]["data"]["vocabulary_size"]
    )
    assert not [*finished.rglob("*.partial*"), *finished.rglob("state.npz")]


def test_grid_table_holds_every_setting_of_both_families(finished):
    rows = list(csv.DictReader((finished / "exports/tiny/part1/regularization.csv").read_text().splitlines()))
    settings = {(row["family"], row["dropout"], row["early_stopping"]) for row in rows}
    assert settings == {
        (family, dropout, stopping)
        for family in ("lstm", "transformer")
        for dropout in ("0.1", "0.3")
        for stopping in ("True", "False")
    }


def test_final_models_are_the_best_finalist_and_have_a_file_that_loads(finished):
    found = findings(finished)["values"]
    for family in ("lstm", "transformer"):
        rows = [row for row in found["grid"]["finalists"] if row["family"] == family]
        assert {(row["dropout"], row["early_stopping"]) for row in rows} == {*product((0.1, 0.3), (True, False))}
        best = min(rows, key=lambda row: (-row["validation_accuracy"], row["validation_log_loss"]))
        model = found["models"][family]
        assert (model["dropout"], model["early_stopping"]) == (best["dropout"], best["early_stopping"])
        file = finished / "exports/tiny/part1" / family / "model.keras"
        assert keras.saving.load_model(file, compile=False).output_shape[-1] == 11


def test_pretrained_encoder_is_compared_and_saved_whole_and_its_states_are_gone(finished):
    folder = finished / "exports/tiny/part1/pretrained"
    rows = list(csv.DictReader((folder.parent / "comparison.csv").read_text().splitlines()))
    assert [row["label"] for row in rows][-1] == "pretrained encoder"
    assert len(rows) == 4
    whole = keras.saving.load_model(folder / "classifier.keras", compile=False)
    assert whole.predict_on_batch(np.array([[2, 5, 6, 3]], np.int32)).shape == (1, 11)
    assert not list(folder.glob("states_*"))


def test_text_of_part_1_has_the_length_that_is_asked_for(finished):
    assert 150 <= len(findings(finished)["text"].split()) <= 250


def test_every_probes_gradient_reaches_the_first_step(finished):
    for stages in findings(finished)["values"]["vanishing"].values():
        assert all(stage["ratio"] > 0 for stage in stages.values())


def test_notes_are_called_synthetic(finished):
    assert "texts are synthetic" in " ".join(findings(finished)["caveats"])


def test_projector_and_curves_are_in_tensorboard_and_no_text_of_a_patient(finished):
    logs = finished / "logs/tiny/part1"
    assert (logs / "projector/projector_config.pbtxt").read_text().count("metadata.tsv") == 1
    vectors = (logs / "projector/tensors.tsv").read_text().splitlines()
    labels = (logs / "projector/metadata.tsv").read_text().splitlines()
    assert len(vectors) == len(labels) == findings(finished)["values"]["data"]["test"]
    assert set(labels) <= set(findings(finished)["values"]["data"]["class_names"])
    for folder in ("lstm/train", "lstm/gradients", "transformer/validation", "grid/lstm/trial_00", "report"):
        assert list((logs / folder).glob("events.*")), folder


NAME, NUMBER = re.compile(rb"xq\d{3}vw", re.IGNORECASE), re.compile(rb"mrn\d{3}zz", re.IGNORECASE)


def content(path):
    """The bytes of a file, of an archive those of its members, strings of numpy as UTF-8."""
    if path.suffix != ".npz":
        return path.read_bytes()
    with np.load(path, allow_pickle=False) as arrays:
        return b" ".join(" ".join(map(str, arrays[name].ravel())).encode() for name in arrays.files)


def own_texts(folder):
    """A table in whose texts patients are named, each once."""
    lines = [
        f"{word} number {i} of a patient called Xq{i:03d}vw,{word},mrn{i:03d}zz"
        for i, word in enumerate(["fever", "pain"] * 60)
    ]
    (folder / "own.csv").write_text("text,label,patient\n" + "\n".join(lines) + "\n")
    return folder / "own.csv"


@pytest.mark.parametrize("show", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_own_texts_are_drawn_only_when_asked_for_and_no_patient_is_named_elsewhere(tmp_path, monkeypatch, capfd, show):
    table = own_texts(tmp_path)
    tiny = replace(TINY, dropouts=(0.1,), sequence_length=10)  # the texts have fewer tokens than probe_steps
    monkeypatch.setitem(config.PART1, "quick", tiny)
    more = ["--group-column", "patient", *(["--show-text"] if show else [])]
    assert main(["part1", "--text", f"csv:{table}", "--run", "own", "--workdir", str(tmp_path), *more]) == 0
    figures = json.loads((tmp_path / "exports/own/part1/findings.json").read_text())["figures"]
    assert ("attention" in figures) == show

    said = "".join(capfd.readouterr()).encode()
    assert not NAME.search(said)
    assert not NUMBER.search(said)
    with_ids = set()
    for path in (path for room in ("logs", "exports", "tuners") for path in (tmp_path / room).rglob("*")):
        if path.is_file():
            assert path.stat().st_mode & 0o077 == 0, f"others may read {path}"
            assert not NAME.search(content(path)), path
            if NUMBER.search(content(path)):
                with_ids.add(path.suffix)
                assert "logs" not in path.relative_to(tmp_path).parts
    assert with_ids == {".npz"}  # predictions, which say whose they are


GOOD = b"".join(b"%s number %d,%s\n" % (word, i, word) for i in range(10) for word in (b"fever", b"pain"))


@pytest.mark.parametrize(
    ("table", "more", "message"),
    [
        (b"text,label\n" + GOOD + b",fever\n", [], "empty"),
        (b"text,label\n" + GOOD + b"caf\xe9,fever\n", [], "UTF-8"),
        (b"text,label\n" + GOOD + b"once,rash\n", [], "rash"),
        (b"note,label\n" + GOOD, [], "text"),
        (b"text,label\n" + GOOD, ["--group-column", "patient"], "patient"),
        (b"text,label\n" + GOOD, ["--encoder", "./nowhere"], "nowhere"),
        (b"text,label\n" + GOOD, ["--encoder", "nonsense_preset"], "'nonsense_preset' cannot be loaded: it is neither"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, capfd, table, more, message):
    path = tmp_path / "own.csv"
    path.write_bytes(table)
    assert main(["part1", "--text", f"csv:{path}", "--workdir", str(tmp_path), *more]) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert [line for line in lines if line.startswith(("tfhealth: ", "Traceback"))] == lines[-1:]
    assert message in lines[-1]
    assert not list(tmp_path.rglob("settings.json")), "the mended command would be refused for its other settings"


def test_part_5_audits_the_better_text_model(finished, monkeypatch):
    tiny = replace(config_part5.PART5["quick"], draws=30, permutations=200, oracle_draws=2, retraining_epochs=1)
    monkeypatch.setitem(config_part5.PART5, "quick", tiny)
    assert main(["part5", "--from", "part1", "--run", "tiny", "--workdir", str(finished), "--debug"]) == 0
    found = json.loads((finished / "exports/tiny/part5_text/findings.json").read_text())
    assert found["values"]["model"] in ("lstm", "transformer")
    assert "insurance" in found["values"]["fairness"]["features"]
    assert 400 <= len(found["text"].split()) <= 600
