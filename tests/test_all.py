"""`all` on the embedded data, as a user runs it: what the five parts owe is there, in time, in memory, and again."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pypdf import PdfReader

from tests.timings import findings_without_timings
from tfhealth.provenance import FOLDER

pytestmark = pytest.mark.slow

RUN = "notes-phantom-quick-seed0"
MOST_SECONDS, MOST_GIGABYTES, MOST_PAGES = 15 * 60, 3, 12
# (part, what the acceptance list asks for, files that hold it, words of the PDF that show it)
RUBRIC = [
    ("part1", "LSTM and Transformer", ("lstm/model.keras", "transformer/model.keras"), "bidirectional LSTM"),
    ("part1", "grid of dropout, L2, early stopping", ("regularization.csv", "regularization.png"), "early stopping"),
    ("part1", "loss and accuracy curves", ("learning_curves.png",), "loss and accuracy by epoch, LSTM"),
    ("part1", "comparison table", ("comparison.csv",), "Overfitting"),
    ("part1", "gradient analysis", ("gradient_norms.png", "gradients.csv"), "Gradient analysis"),
    ("part1", "why one is better", ("analysis.md",), "McNemar"),
    ("part2", "trained classifier", ("final/model.keras",), "Part 2: Medical images"),
    ("part2", "curves of every capacity", ("learning_curves.png", "sample_size.png"), "by capacity"),
    ("part2", "diagnosis", ("analysis.md",), "verdict"),
    ("part2", "regularization before and after", ("regularization.csv",), "Before and after regularization"),
    ("part2", "predictions with classes", ("predictions.png",), "true and predicted class"),
    ("part2", "precision, recall, F1, AUC-ROC, average precision", ("classes.csv",), "Average precision"),
    ("part3", "generator", ("vae/decoder.keras", "vae/encoder.keras"), "Part 3: Synthetic medical data"),
    ("part3", "challenges and strategies", ("challenges.md", "challenges.csv"), "Challenges of training"),
    ("part3", "reconstruction and KL curves", ("losses.png",), "Loss curves by epoch"),
    ("part3", "generated samples", ("samples.png",), "Generated samples"),
    ("part3", "realistic, diverse, plausible", ("realism.csv", "diversity.csv", "agreement.csv"), "Realism and diver"),
    ("part3", "reflection on privacy", ("analysis.md", "membership.csv"), "privacy"),
    ("part4", "compressed models", ("artifacts/int8.tflite", "artifacts/student.tflite"), "int8.tflite"),
    ("part4", "size, time, accuracy before and after", ("comparison.csv",), "Latency (ms)"),
    ("part4", "most effective technique", ("analysis.md",), "Part 4: Compression and deployment"),
    ("part5", "performance by subgroup", ("groups.csv", "disparities.csv"), "performance of the model by demographic"),
    ("part5", "ethics", ("analysis.md",), "Dual-use"),
    ("part5", "recommendations", ("recommendations.md",), "Recommendations"),
]


def start(workdir: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "tfhealth.run", *arguments, "--workdir", str(workdir)], check=True)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """The folder of a finished `all`; TFHEALTH_FINISHED_RUN names one that was made before by the same command."""
    folder = Path(os.environ.get("TFHEALTH_FINISHED_RUN") or tmp_path_factory.mktemp("all"))
    start(folder, "all")
    return folder


@pytest.fixture(scope="module")
def pdf(workdir):
    """The report's pages as text in one line each."""
    pages = PdfReader(workdir / "exports" / RUN / "report" / "report.pdf").pages
    return [" ".join(page.extract_text().split()) for page in pages]


@pytest.mark.parametrize(("part", "what", "files", "words"), RUBRIC, ids=[f"{row[0]}-{row[1]}" for row in RUBRIC])
def test_deliverable_is_there_as_a_file_and_in_the_report(workdir, pdf, part, what, files, words):
    for file in files:
        assert (workdir / "exports" / RUN / part / file).stat().st_size, f"{what}: {file} is empty"
    assert words in " ".join(pdf), what


def test_report_has_five_parts_on_at_most_twelve_pages(pdf):
    assert len(pdf) <= MOST_PAGES
    for number in range(1, 6):
        assert sum(f"Part {number}: " in page for page in pdf), f"no heading of Part {number}"


def test_every_figure_and_table_is_numbered_and_referred_to(pdf):
    text = " ".join(pdf)
    for kind in ("Figure", "Table"):
        numbers = {int(number) for number in re.findall(rf"{kind} (\d+):", text)}
        assert numbers == set(range(1, len(numbers) + 1))
        assert numbers <= {int(number) for number in re.findall(rf"{kind} (\d+)[^\d:]", text)}, f"{kind} not mentioned"


def test_manifest_agrees_with_the_files(workdir):
    start(workdir, "verify", "--run", RUN)


def test_finished_parts_are_not_made_again(workdir):
    began = time.monotonic()
    start(workdir, "all")
    assert time.monotonic() - began < 60


def test_run_took_the_time_and_memory_that_the_readme_promises(workdir):
    records = [json.loads(path.read_text()) for path in (workdir / "exports" / RUN).glob(f"{FOLDER}/*.json")]
    assert len(records) == 5  # of the parts; the report takes seconds
    assert sum(record["seconds"] for record in records) < MOST_SECONDS
    assert max(record["peak_memory_mb"] for record in records) < MOST_GIGABYTES * 1024


@pytest.mark.parametrize("part", ["part1", "part2"])
def test_same_seed_gives_the_same_findings(workdir, tmp_path, part):
    start(tmp_path, part, "--run", RUN)
    again, before = (folder / "exports" / RUN / part / "findings.json" for folder in (tmp_path, workdir))
    assert findings_without_timings(again) == findings_without_timings(before)
