"""What a model file says of itself, and how damage to it is found. The standard library alone: a phone's tools can too.

A .tflite gets a zip archive behind the model, where TensorFlow Lite keeps associated files and where interpreters do
not look: `unzip model.tflite` gives `labels.txt` (one class a line) and `metadata.json`. The archive's comment, which
is the end of the file, is the SHA-256 of all bytes in front of it: `tail -c 64 F` is what `head -c -64 F | sha256sum`
prints. An .onnx carries the same text in its `metadata_props`, beside the SHA-256 of the file with that SHA-256 itself
written as zeros.
"""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfhealth.errors import UserError

METADATA, LABELS = "metadata.json", "labels.txt"
EPOCH = (1980, 1, 1, 0, 0, 0)  # zip's first moment: the same model gives the same bytes
TEXT_KEY, CHECKSUM_KEY = "tfhealth", "tfhealth_sha256"
NO_CHECKSUM = "0" * 64
# A StringStringEntryProto: key (field 1) and value (field 2, 64 bytes long).
CHECKSUM = re.compile(rb"\x0a\x0f" + CHECKSUM_KEY.encode() + rb"\x12\x40([0-9a-f]{64})")

About = Mapping[str, Any]


def pack_tflite(model: bytes, about: About) -> bytes:
    """Returns the bytes of a .tflite that carries `about`, whose "labels" name the classes."""
    text = json.dumps({**about, "model_bytes": len(model)}, indent=1)
    file = io.BytesIO(model)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:
        for name, content in ((LABELS, "\n".join(about["labels"])), (METADATA, text)):
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content + "\n")
        archive.comment = NO_CHECKSUM.encode()
    body = file.getvalue()[: -len(NO_CHECKSUM)]
    return body + hashlib.sha256(body).hexdigest().encode()


def unpack_tflite(path: Path) -> tuple[bytes, dict[str, Any]]:
    """Returns (model, about) of a file that `pack_tflite` made.

    Raises:
        UserError: the file is missing, damaged, cut short, or was made by something else.
    """
    data = read_bytes(path)
    end = len(data) - len(NO_CHECKSUM)
    if end <= 0 or hashlib.sha256(data[:end]).hexdigest().encode() != data[end:]:
        raise _damaged(path)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        about = json.loads(archive.read(METADATA))
    return data[: about["model_bytes"]], about


def pack_onnx(model: bytes, about: About) -> bytes:
    """Returns the bytes of an .onnx that carries `about`. Needs the package `onnx`."""
    import onnx

    proto = onnx.load_from_string(model)
    onnx.helper.set_model_props(proto, {TEXT_KEY: json.dumps(about), CHECKSUM_KEY: NO_CHECKSUM})
    blank = proto.SerializeToString(deterministic=True)
    found = CHECKSUM.search(blank)
    return blank[: found.start(1)] + hashlib.sha256(blank).hexdigest().encode() + blank[found.end(1) :]


def check_onnx(path: Path) -> bytes:
    """Returns the bytes of a file that `pack_onnx` made.

    Raises:
        UserError: as `unpack_tflite`.
    """
    data = read_bytes(path)
    found = CHECKSUM.search(data)
    if found is None:
        raise _damaged(path)
    blank = data[: found.start(1)] + NO_CHECKSUM.encode() + data[found.end(1) :]
    if hashlib.sha256(blank).hexdigest().encode() != found[1]:
        raise _damaged(path)
    return data


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): run `python -m tfhealth.run part4` first") from None


def _damaged(path: Path) -> UserError:
    return UserError(
        f"{path} is damaged, cut short, or not a model of tfhealth: copy it anew, or delete it and run "
        "`python -m tfhealth.run part4`"
    )
