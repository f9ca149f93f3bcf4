"""Classifies images with an exported model: `python predict_image.py MODEL.tflite IMAGE...`.

An example to copy: it needs ai-edge-litert, numpy and Pillow, and nothing else of tfhealth. All it knows of the model
it reads from the file: the size of the image, the labels, and how the input and output are quantized.
Research software, not a medical device.
"""

import hashlib
import json
import sys
import zipfile

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps

CHECKSUM_BYTES = 64  # at the end of the file: the SHA-256, in hexadecimal, of all in front of it


def read_model(path: str) -> tuple[Interpreter, dict]:
    """Returns the model, ready to run, and what its file says of it; SystemExit if the file is damaged."""
    with open(path, "rb") as file:
        data = file.read()
    if hashlib.sha256(data[:-CHECKSUM_BYTES]).hexdigest().encode() != data[-CHECKSUM_BYTES:]:
        sys.exit(f"{path} is damaged or cut short: copy it anew")
    with zipfile.ZipFile(path) as archive:
        about = json.loads(archive.read("metadata.json"))
    interpreter = Interpreter(model_content=data[: about["model_bytes"]])
    interpreter.allocate_tensors()
    return interpreter, about


def read_image(path: str, size: int) -> np.ndarray:
    """Returns the centred square as (size, size, 3) float32 RGB in [0, 255], cut and reduced as in training."""
    with Image.open(path) as file:
        scale = 2 * size / min(file.size)
        if scale < 1:
            file.draft("RGB", (round(file.width * scale), round(file.height * scale)))  # JPEG: decodes less
        image = ImageOps.exif_transpose(file).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    return np.asarray(image, np.float32)


def predict(interpreter: Interpreter, image: np.ndarray) -> np.ndarray:
    """Returns the probability of each label."""
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero = source["quantization"]
    if scale:  # integers
        limits = np.iinfo(source["dtype"])
        image = np.clip(np.round(image / scale) + zero, limits.min, limits.max)
    interpreter.set_tensor(source["index"], image[None].astype(source["dtype"]))
    interpreter.invoke()
    logits = interpreter.get_tensor(target["index"])[0].astype(np.float32)
    scale, zero = target["quantization"]
    if scale:
        logits = (logits - zero) * scale
    shares = np.exp(logits - logits.max())
    return shares / shares.sum()


def main(model: str, *images: str) -> None:
    """Prints each image's labels, the likeliest first."""
    interpreter, about = read_model(model)
    for path in images:
        probabilities = predict(interpreter, read_image(path, about["input"]["height"]))
        ranked = sorted(zip(about["labels"], probabilities, strict=True), key=lambda pair: -pair[1])
        print(f"{path}: " + ", ".join(f"{label} {probability:.3f}" for label, probability in ranked))
    print(about["notice"])


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("python predict_image.py MODEL.tflite IMAGE...")
    main(*sys.argv[1:])
