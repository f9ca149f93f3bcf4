"""Runs .tflite and .onnx files, one example at a time, as a phone does. Imports no TensorFlow."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tfhealth.compression.packaging import TEXT_KEY, check_onnx, unpack_tflite
from tfhealth.errors import UserError


class Runner(Protocol):
    """A loaded model file.

    Attributes:
        about: what the file says of itself; see `export.about_images`.
    """

    about: dict[str, Any]

    def prepare(self, row: np.ndarray) -> np.ndarray:
        """Returns one example, e.g. (height, width, channels) pixels, as the model's input tensor (batch 1)."""
        ...

    def run(self, tensor: np.ndarray) -> np.ndarray:
        """Returns the float32 logits (num_classes,) of a prepared example."""
        ...


class TFLiteRunner:
    """A .tflite in LiteRT; see Runner."""

    def __init__(self, path: Path, threads: int):
        from ai_edge_litert.interpreter import Interpreter

        model, self.about = unpack_tflite(path)
        self._interpreter = Interpreter(model_content=model, num_threads=threads)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()

    def prepare(self, row: np.ndarray) -> np.ndarray:
        _check_shape(row, self._input["shape"][1:])
        return quantize(row[None], self._input["dtype"], *self._input["quantization"])

    def run(self, tensor: np.ndarray) -> np.ndarray:
        self._interpreter.set_tensor(self._input["index"], tensor)
        self._interpreter.invoke()
        return dequantize(self._interpreter.get_tensor(self._output["index"])[0], *self._output["quantization"])


class ONNXRunner:
    """An .onnx in ONNX Runtime, on the CPU; see Runner."""

    def __init__(self, path: Path, threads: int):
        import onnxruntime
        from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf, NotImplemented

        data = check_onnx(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except (Fail, InvalidGraph, InvalidProtobuf, NotImplemented) as error:
            raise ValueError(str(error)) from None
        self.about = json.loads(self._session.get_modelmeta().custom_metadata_map[TEXT_KEY])
        self._input = self._session.get_inputs()[0]
        self._dtype = {"tensor(float)": np.float32, "tensor(int32)": np.int32}[self._input.type]

    def prepare(self, row: np.ndarray) -> np.ndarray:
        _check_shape(row, self._input.shape[1:])
        return np.ascontiguousarray(row[None], dtype=self._dtype)

    def run(self, tensor: np.ndarray) -> np.ndarray:
        return self._session.run(None, {self._input.name: tensor})[0][0]


RUNNERS = {".tflite": TFLiteRunner, ".onnx": ONNXRunner}


def load_runner(path: Path, *, threads: int = 1) -> Runner:
    """Returns the model file, ready to run.

    Raises:
        UserError: it is missing, damaged, of another kind, or the runtime refuses it.
    """
    if path.suffix not in RUNNERS:
        raise UserError(f"{path}: a model file ends in {' or '.join(RUNNERS)}")
    try:
        return RUNNERS[path.suffix](path, threads)
    except (RuntimeError, ValueError) as error:  # LiteRT raises either
        raise UserError(f"{path} cannot be run here: {str(error).strip().splitlines()[0]}") from None


def run_all(runner: Runner, batches: Iterable[np.ndarray]) -> np.ndarray:
    """Returns the logits (n, num_classes) float32 of all rows of all batches, run one by one."""
    return np.stack([runner.run(runner.prepare(row)) for rows in batches for row in rows])


def quantize(values: np.ndarray, dtype, scale: float, zero_point: int) -> np.ndarray:
    """Returns values as the tensor type wants them: round(value / scale) + zero_point, within its range."""
    if scale == 0 or np.issubdtype(dtype, np.floating):  # not a quantized tensor
        return np.ascontiguousarray(values, dtype=dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.round(values / scale) + zero_point, limits.min, limits.max).astype(dtype)


def dequantize(values: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Returns the float32 numbers that a tensor's values stand for."""
    return values.astype(np.float32) if scale == 0 else (values.astype(np.float32) - zero_point) * np.float32(scale)


def _check_shape(row: np.ndarray, shape) -> None:
    shape = tuple(int(side) for side in shape)
    if row.shape != shape:
        raise UserError(f"the model takes {shape}, not {row.shape}: resize the image or cut the text")
