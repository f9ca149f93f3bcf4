import hashlib
import json
import zipfile

import numpy as np
import onnx
import pytest

from tfhealth.compression.packaging import check_onnx, pack_onnx, pack_tflite, unpack_tflite
from tfhealth.errors import UserError

ABOUT = {"labels": ["nevus", "melanoma"], "licence": "Apache-2.0", "input": {"kind": "image", "range": [0, 255]}}
MODEL = np.random.default_rng(0).integers(0, 256, 5000).astype(np.uint8).tobytes()


def onnx_model() -> bytes:
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "toy", values[:1], values[1:])
    return onnx.helper.make_model(graph).SerializeToString()


def test_metadata_and_labels_are_read_back_by_any_zip_tool(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(pack_tflite(MODEL, ABOUT))
    model, about = unpack_tflite(path)
    assert model == MODEL
    assert {key: about[key] for key in ABOUT} == ABOUT
    assert path.read_bytes().startswith(MODEL)  # interpreters read from the front
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt").decode().split() == ABOUT["labels"]
        assert json.loads(archive.read("metadata.json"))["licence"] == "Apache-2.0"


def test_same_model_gives_the_same_bytes():
    assert pack_tflite(MODEL, ABOUT) == pack_tflite(MODEL, ABOUT)


def test_checksum_is_what_the_shell_computes():
    whole = pack_tflite(MODEL, ABOUT)
    assert hashlib.sha256(whole[:-64]).hexdigest() == whole[-64:].decode()


@pytest.mark.parametrize("length", [0, 10, 2500, 5000, -1])
def test_truncated_file_is_refused_with_its_name(tmp_path, length):
    path = tmp_path / "model.tflite"
    path.write_bytes(pack_tflite(MODEL, ABOUT)[:length])
    with pytest.raises(UserError, match=r"model\.tflite is damaged"):
        unpack_tflite(path)


def test_model_of_another_tool_is_refused(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(MODEL)
    with pytest.raises(UserError, match="not a model of tfhealth"):
        unpack_tflite(path)


def test_missing_file_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(UserError, match=r"tfhealth\.run part4"):
        unpack_tflite(tmp_path / "none.tflite")


@pytest.mark.parametrize(("suffix", "read"), [("tflite", unpack_tflite), ("onnx", check_onnx)])
def test_every_flipped_byte_is_found(tmp_path, suffix, read):
    whole = pack_tflite(MODEL, ABOUT) if suffix == "tflite" else pack_onnx(onnx_model(), ABOUT)
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(whole)
    read(path)
    for position in [*range(0, len(whole) - 700, 100), *range(max(0, len(whole) - 700), len(whole))]:
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=rf"model\.{suffix}"):
            read(path)


def test_onnx_with_metadata_is_valid_and_the_same_each_time(tmp_path):
    packed = pack_onnx(onnx_model(), ABOUT)
    assert packed == pack_onnx(onnx_model(), ABOUT)
    proto = onnx.load_from_string(packed)
    onnx.checker.check_model(proto)
    assert json.loads({entry.key: entry.value for entry in proto.metadata_props}["tfhealth"]) == ABOUT
