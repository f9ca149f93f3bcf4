"""Files damaged in a thousand ways: each is read, or refused in one line that names it; nothing else happens.

Starting from a good file, bytes are changed, cut, repeated and inserted. What was found stays as an example below.
"""

import io
import json
import tarfile
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from tfhealth.audit.findings import Findings
from tfhealth.compression.packaging import pack_tflite
from tfhealth.compression.runtime import load_runner
from tfhealth.data.image_arrays import find_npz
from tfhealth.data.image_files import find_csv as find_images
from tfhealth.data.image_source import BadImage, ImageOptions, decode_image, decode_in_order
from tfhealth.data.text import TextOptions, find_text_source
from tfhealth.data.text_archives import SMS_MEMBER
from tfhealth.data.text_cards import MEDQUAD, OHSUMED, SMS_SPAM
from tfhealth.data.text_csv import find_csv as find_texts
from tfhealth.errors import UserError

pytestmark = pytest.mark.slow
thousand = settings(
    max_examples=1000,
    deadline=None,
    derandomize=True,  # the same thousand each time
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# Where (as a share of the file), how many bytes go, and what comes instead.
edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 64), st.binary(max_size=16)), min_size=1, max_size=4)


def edited(content: bytes, changes) -> bytes:
    for place, gone, new in changes:
        start = int(place * len(content))
        content = content[:start] + new + content[start + gone :]
    return content


def refused_or_read(read, path) -> None:
    said = None
    try:
        read()
    except UserError as error:
        said = str(error)
    assert said is None or ("\n" not in said and path.name in said)


def png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def jpeg() -> bytes:
    file = io.BytesIO()
    Image.open(io.BytesIO(png())).save(file, "JPEG")
    return file.getvalue()


def npz() -> bytes:
    file = io.BytesIO()
    x = np.random.default_rng(0).integers(0, 256, (30, 8, 8), np.uint8)
    np.savez(file, x=x, y=np.arange(30) % 3, group=np.arange(30).astype(str))
    return file.getvalue()


def table(column: str) -> bytes:
    rows = [f'"word {i}, and more",{"ab"[i % 2]},p{i}' for i in range(40)]
    return (f"{column},label,patient\n" + "\n".join(rows) + "\n").encode()


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(SMS_MEMBER, content)
    return file.getvalue()


SMS = b"".join(b"%s\tmessage number %d\n" % ((b"ham", b"spam")[i % 2], i) for i in range(60))
QUESTION = b"""<?xml version="1.0" encoding="UTF-8"?>
<Document id="0000001" source="made up"><Focus>Fever</Focus><QAPairs><QAPair pid="1">
<Question qid="0000001-1" qtype="treatment">How is it treated?</Question><Answer>With rest.</Answer>
</QAPair></QAPairs></Document>
"""


def tarred(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


ABSTRACTS = {f"ohsumed_single_23/{split}/C01/0000001": b"Title" for split in ("training", "test")}


def read_archive(folder, facts, content) -> None:
    """Reads the archive of a public source, placed where its publisher's file is looked for."""
    path = folder / facts.files[0].name
    path.write_bytes(content)
    source = find_text_source(facts.card.name, TextOptions(data_dir=folder))
    refused_or_read(lambda: list(source.listing().documents), path)


@pytest.mark.parametrize("content", [png(), jpeg()], ids=["png", "jpeg"])
def test_damaged_image(content):
    @thousand
    @given(edits)
    def damaged(changes):
        (found,) = decode_in_order([edited(content, changes)], lambda bytes_: decode_image(bytes_, 16), lambda _: "a")
        assert isinstance(found, BadImage) or found.shape == (16, 16, 3)
        assert not isinstance(found, BadImage) or found.reason

    damaged()


@thousand
@given(edits)
def test_damaged_npz(tmp_path, changes):
    path = tmp_path / "own.npz"
    path.write_bytes(edited(npz(), changes))
    refused_or_read(lambda: list(find_npz(str(path), ImageOptions(image_size=16)).listing().examples), path)


@thousand
@given(edits)
def test_damaged_table_of_images(tmp_path, changes):
    path = tmp_path / "own.csv"
    path.write_bytes(edited(table("image"), changes))
    options = ImageOptions(image_size=16, group_column="patient")
    refused_or_read(lambda: find_images(str(path), options).listing(), path)


@thousand
@given(edits)
def test_damaged_table_of_texts(tmp_path, changes):
    path = tmp_path / "own.csv"
    path.write_bytes(edited(table("text"), changes))
    refused_or_read(lambda: find_texts(str(path), TextOptions(group_column="patient")).listing(), path)


@thousand
@given(edits)
def test_damaged_zip(tmp_path, changes):
    read_archive(tmp_path, SMS_SPAM, edited(zipped(SMS), changes))


@thousand
@given(edits)
def test_damaged_text_in_a_zip(tmp_path, changes):
    read_archive(tmp_path, SMS_SPAM, zipped(edited(SMS, changes)))


@thousand
@given(edits)
def test_damaged_xml(tmp_path, changes):
    read_archive(tmp_path, MEDQUAD, tarred({"MedQuAD/1_A_QA/0000001.xml": edited(QUESTION, changes)}))


@thousand
@given(edits)
def test_damaged_tar(tmp_path, changes):
    read_archive(tmp_path, OHSUMED, edited(tarred(ABSTRACTS), changes))


@thousand
@given(edits)
@example([(0.0, 1000, b"[]")])
@example([(0.0, 0, b"\xff")])
@example([(0.0, 1000, b"{}")])
def test_damaged_findings(tmp_path, changes):
    Findings("part2", {"a": 1.5}, caveats=("of a kind",), text="words").save(tmp_path)
    path = tmp_path / "findings.json"
    path.write_bytes(edited(path.read_bytes(), changes))
    refused_or_read(lambda: Findings.load(tmp_path, "python -m tfhealth.run part2"), path)


def test_brackets_without_end_are_refused(tmp_path):
    (tmp_path / "findings.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match="not valid JSON"):
        Findings.load(tmp_path, "python -m tfhealth.run part2")


@thousand
@given(edits)
def test_damaged_model(tmp_path, changes):
    path = tmp_path / "model.tflite"
    path.write_bytes(edited(pack_tflite(b"TFL3" * 500, {"labels": ["a", "b"]}), changes))
    refused_or_read(lambda: load_runner(path), path)


@thousand
@given(edits)
def test_damaged_model_with_a_checksum_that_holds(tmp_path, changes):
    """The runtime itself has to refuse it: what is not a model must not end the interpreter."""
    path = tmp_path / "model.tflite"
    path.write_bytes(
        pack_tflite(edited(b"\x1c\0\0\0TFL3" + json.dumps({"x": [0] * 200}).encode(), changes), {"labels": []})
    )
    refused_or_read(lambda: load_runner(path), path)
