"""SavedModel -> TFLite or ONNX, in a process of its own: `python -m tfhealth.compression.conversion JOBS.json`.

A converter that fails ends its process, some by a crash: int8 calibration of a recurrent loop is a segmentation fault
in TensorFlow 2.21. `export` starts this program, reads which file is missing, and goes on behind it.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfhealth.paths import atomic_path

SIGNATURE = "serving_default"
OPSET = 17


def tflite_float32(converter, examples):
    """Weights and activations as they are."""


def tflite_float16(converter, examples):
    """Weights in 16 bits, half the size; computed with in 32."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def tflite_dynamic(converter, examples):
    """Weights in 8 bits; activations are quantized on the fly, by the range of each."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]


def tflite_int8(converter, examples):
    """All in 8 bits, also input and output; the ranges of activations are those seen on the examples.

    Not for a Transformer that masks padding: Keras's mask, -2e38, takes the whole range of the attention scores, and
    every token then counts alike. Dynamic quantization is as small and keeps them.
    """
    tflite_dynamic(converter, examples)
    converter.representative_dataset = lambda: ([row[None]] for row in examples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_output_type = tf.int8
    if examples.dtype == np.float32:  # token ids stay integers
        converter.inference_input_type = tf.int8


def tflite_int16(converter, examples):
    """Weights in 8 bits, activations in 16: more exact than int8, and slow (reference kernels)."""
    tflite_dynamic(converter, examples)
    converter.representative_dataset = lambda: ([row[None]] for row in examples)
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
        tf.lite.OpsSet.TFLITE_BUILTINS,
    ]


def tflite_trained_int8(converter, examples):
    """All in 8 bits, with the ranges that quantization-aware training learned."""
    tflite_dynamic(converter, examples)
    converter.inference_input_type = converter.inference_output_type = tf.int8


TFLITE: dict[str, Callable] = {
    "float32": tflite_float32,
    "float16": tflite_float16,
    "dynamic": tflite_dynamic,
    "int8": tflite_int8,
    "int16": tflite_int16,
    "trained_int8": tflite_trained_int8,
}


def to_tflite(source: Path, precision: str, examples: np.ndarray) -> bytes:
    """Returns a flatbuffer of built-in operators (no Flex) for batch 1."""
    converter = tf.lite.TFLiteConverter.from_saved_model(str(source), signature_keys=[SIGNATURE])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    TFLITE[precision](converter, examples)
    return converter.convert()


def onnx_float32(source: Path, examples: np.ndarray) -> bytes:
    """Returns an ONNX model for batch 1."""
    import tf2onnx

    graph, inputs, outputs = tf2onnx.tf_loader.from_saved_model(str(source), None, None, "serve", [SIGNATURE])
    proto, _ = tf2onnx.convert.from_graph_def(
        graph,
        input_names=list(inputs),
        output_names=list(outputs),
        opset=OPSET,
        name=source.name,
        custom_op_handlers={"Erfc": (_erfc, [])},
    )
    return proto.SerializeToString(deterministic=True)


def _erfc(context, node, name, arguments):
    """1 - Erf(x): Keras's exact GELU has an Erfc, which neither tf2onnx 1.17 nor ONNX knows."""
    output = node.output[0]
    kind = {"shapes": [context.get_shape(output)], "dtypes": [context.get_dtype(output)]}
    context.remove_node(name)
    erf = context.make_node("Erf", [node.input[0]], **kind)
    one = context.make_const(name + "_one", np.ones((), np.float32))
    context.make_node("Sub", [one.output[0], erf.output[0]], outputs=[output], name=name, **kind)


def onnx_int8(source: Path, examples: np.ndarray) -> bytes:
    """Returns an ONNX model with 8-bit weights and activations (QDQ), ranges seen on the examples.

    Unsigned activations: signed ones are 2.5 times as slow on a CPU (ONNX Runtime 1.32).
    Weights within 7 bits: where a CPU has no VNNI, sums of two 8-bit products overflow their 16 bits unnoticed, which
    cost 0.024 of HAM10000's validation accuracy.
    """
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        plain, ready, done = (Path(folder, name) for name in ("plain.onnx", "ready.onnx", "done.onnx"))
        plain.write_bytes(onnx_float32(source, examples))
        quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(ready),
            str(done),
            _Examples(_input_name(plain), examples),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
        )
        return done.read_bytes()


ONNX = {"float32": onnx_float32, "int8": onnx_int8}


class _Examples:
    """The examples as ONNX Runtime's CalibrationDataReader asks for them: one after the other, then None."""

    def __init__(self, name: str, examples: np.ndarray):
        self._rows = iter([{name: row[None]} for row in examples])

    def get_next(self):
        return next(self._rows, None)


def _input_name(path: Path) -> str:
    import onnx

    return onnx.load(str(path)).graph.input[0].name


def main(jobs: Path) -> None:
    """Writes the file of every job {"source", "precision", "format", "path"} in turn; the first failure ends it."""
    jobs = json.loads(jobs.read_text(encoding="utf-8"))
    for job in jobs["conversions"]:
        examples, source = np.load(job["examples"]), Path(job["source"])
        if job["format"] == "tflite":
            model = to_tflite(source, job["precision"], examples)
        else:
            model = ONNX[job["precision"]](source, examples)
        with atomic_path(Path(job["path"])) as temporary:
            temporary.write_bytes(model)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
