"""One conversion of a small ResNet in all forms, then what each file must be."""

import shutil
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from tfhealth.compression import export as exports
from tfhealth.compression import predict_image
from tfhealth.compression import twin as twins
from tfhealth.compression.export import Conversion, about_images, about_texts, export, save_for_conversion
from tfhealth.compression.packaging import unpack_tflite
from tfhealth.compression.runtime import dequantize, load_runner, quantize, run_all
from tfhealth.data.dataset import DatasetCard
from tfhealth.data.image_source import decode_image
from tfhealth.errors import UserError
from tfhealth.models.resnet import resnet8
from tfhealth.models.text import lstm, transformer
from tfhealth.training.predict import softmax

CARD = DatasetCard(
    "toy", "Toy images", "image", ("dark", "bright"), "CC0-1.0", "Nobody 2026", url="https://example.org"
)
STATISTICS = ([120.0, 110.0, 100.0], [50.0, 60.0, 70.0])
POST_TRAINING = ("float32", "float16", "dynamic", "int8", "int16")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two classes told apart by brightness, learned, made sparse and trained with quantization, and exported."""
    folder = tmp_path_factory.mktemp("export")
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 48)
    x = (rng.integers(0, 120, (48, 16, 16, 3)) + 135 * y[:, None, None, None]).astype(np.float32)
    keras.utils.set_random_seed(0)
    model = resnet8((None, None, 3), 2, width=8, pixel_statistics=STATISTICS)
    model.compile(keras.optimizers.Adam(1e-2), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=16, epochs=6, verbose=0)
    batches = tf.data.Dataset.from_tensor_slices((x, tf.one_hot(y, 2))).batch(16).repeat(2)
    sparse = twins.twin_of(model, x[:4])
    for layer in sparse.layers:
        if layer.name.startswith("stage") and len(layer.get_weights()) == 1:  # a kernel
            (kernel,) = layer.get_weights()
            layer.set_weights([np.where(np.abs(kernel) < np.quantile(np.abs(kernel), 0.7), 0, kernel)])
    quantized = twins.train_quantized_sparse(sparse, batches, epochs=2, learning_rate=1e-4)
    twins.save_for_conversion(quantized, folder / "pqat")
    save_for_conversion(model, folder / "base", x[0])
    about = about_images(CARD, model="toy", technique="any", image_shape=(16, 16, 3), pixel_statistics=STATISTICS)
    conversions = [Conversion(precision, "tflite", folder / "base", precision, about) for precision in POST_TRAINING]
    conversions += [
        Conversion("broken", "tflite", folder / "nothing", "int8", about),
        Conversion("pqat", "tflite", folder / "pqat", "trained_int8", about),
        Conversion("float32", "onnx", folder / "base", "float32", about),
        Conversion("int8", "onnx", folder / "base", "int8", about),
    ]
    failures = export(conversions, x[:32], folder / "files")
    logits = {path.name: run_all(load_runner(path), [x]) for path in (folder / "files").iterdir() if path.is_file()}
    return SimpleNamespace(
        x=x,
        keras=np.asarray(model(x, training=False)),
        pqat=np.asarray(quantized(x, training=False)),
        folder=folder / "files",
        conversions=conversions,
        failures=failures,
        logits=logits,
    )


def test_failed_conversion_gives_its_reason_and_stops_no_other(made):
    assert list(made.failures) == ["broken.tflite"]
    assert "SavedModel" in made.failures["broken.tflite"]
    wanted = {conversion.path(made.folder).name for conversion in made.conversions}
    assert set(made.logits) == wanted - {"broken.tflite"}


def test_float32_files_give_the_logits_of_the_keras_model(made):
    for name in ("float32.tflite", "float32.onnx"):
        np.testing.assert_allclose(made.logits[name], made.keras, atol=1e-4)  # float32 sums in another order


@pytest.mark.parametrize("name", ["float16.tflite", "dynamic.tflite", "int8.tflite", "int16.tflite", "int8.onnx"])
def test_quantized_files_name_the_same_classes(made, name):
    spread = np.ptp(made.keras)
    assert np.abs(made.logits[name] - made.keras).max() < 0.1 * spread
    assert np.mean(made.logits[name].argmax(1) == made.keras.argmax(1)) >= 0.95


def test_onnx_kernels_have_7_bits_so_that_no_processor_overflows(made):
    arrays = map(onnx.numpy_helper.to_array, onnx.load(made.folder / "int8.onnx").graph.initializer)
    kernels = [array for array in arrays if array.dtype == np.int8 and array.ndim > 1]
    assert len(kernels) == 11  # normalization, stem, 3 stages of 2 convolutions and 2 shortcuts, logits
    assert max(np.abs(kernel.astype(int)).max() for kernel in kernels) <= 64


def test_file_of_quantized_training_gives_the_logits_of_its_twin(made):
    assert np.abs(made.logits["pqat.tflite"] - made.pqat).max() < 0.1 * np.ptp(made.pqat)


def test_int8_files_take_and_give_int8_and_are_smaller(made):
    size = {path.name: path.stat().st_size for path in made.folder.iterdir()}
    assert size["float16.tflite"] < 0.7 * size["float32.tflite"]
    for name in ("int8.tflite", "pqat.tflite"):
        assert size[name] < 0.5 * size["float32.tflite"]  # at this width much of it is not weights
        interpreter = Interpreter(model_content=unpack_tflite(made.folder / name)[0])
        (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
        assert source["dtype"] == target["dtype"] == np.int8
        # The examples reach from 0 to 255, so a pixel p is p - 128: nothing is lost on the way in.
        assert source["quantization"] == pytest.approx((1.0, -128), abs=0.01)


def test_sparsity_is_kept_in_the_exported_file(made):
    interpreter = Interpreter(model_content=unpack_tflite(made.folder / "pqat.tflite")[0])
    interpreter.allocate_tensors()
    kernels = [t for t in interpreter.get_tensor_details() if t["dtype"] == np.int8 and len(t["shape"]) == 4]
    checked = 0
    for tensor in kernels:
        if "stage" in tensor["name"] and "LastValueQuant" in tensor["name"]:
            values = interpreter.get_tensor(tensor["index"])
            assert np.mean(values == 0) > 0.69, tensor["name"]  # one more may round to 0
            checked += 1
    assert checked == 8, "the names changed: nothing was looked at"


@pytest.mark.parametrize("name", ["int8.tflite", "float32.onnx"])
def test_file_says_all_that_is_needed_to_feed_it(made, name):
    about = load_runner(made.folder / name).about
    assert about["labels"] == ["dark", "bright"]
    assert (about["input"]["height"], about["input"]["order"], about["input"]["range"]) == (16, "RGB", [0, 255])
    assert about["normalization"] == {"done_by": "model", "mean": STATISTICS[0], "standard_deviation": STATISTICS[1]}
    assert about["training_data"]["licence"] == "CC0-1.0"
    assert about["made_by"].startswith("tfhealth ")
    assert "not a medical device" in about["notice"]


def test_file_gives_the_same_logits_in_a_fresh_process_without_tensorflow(made, tmp_path):
    np.save(tmp_path / "x.npy", made.x)
    code = (
        "import sys, numpy as np\nfrom pathlib import Path\n"
        "from tfhealth.compression.runtime import load_runner, run_all\n"
        "folder, files = Path(sys.argv[1]), sys.argv[2:]\n"
        "rows = np.load(folder / 'x.npy')\n"
        "for file in files: np.save(folder / (Path(file).name + '.npy'), run_all(load_runner(Path(file)), [rows]))\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    files = [str(made.folder / name) for name in made.logits]
    subprocess.run([sys.executable, "-c", code, str(tmp_path), *files], check=True)
    for name, logits in made.logits.items():
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), logits)


def test_example_script_classifies_a_photograph_as_the_part_does(made, tmp_path):
    rng = np.random.default_rng(3)
    photograph = Image.fromarray(rng.integers(0, 256, (40, 60, 3)).astype(np.uint8))
    photograph.save(tmp_path / "lesion.jpg", quality=95)
    script = shutil.copy(predict_image.__file__, tmp_path / "alone.py")
    model = made.folder / "int8.tflite"
    done = subprocess.run(
        [sys.executable, "-I", script, str(model), str(tmp_path / "lesion.jpg")],
        capture_output=True,
        text=True,
        check=True,
    )
    pixels = decode_image((tmp_path / "lesion.jpg").read_bytes(), 16).astype(np.float32)
    probabilities = softmax(run_all(load_runner(model), [pixels[None]]))[0]
    for label, probability in zip(CARD.class_names, probabilities, strict=True):
        assert f"{label} {probability:.3f}" in done.stdout
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(model.read_bytes()[:-1])
    with pytest.raises(SystemExit, match="damaged"):
        predict_image.read_model(str(damaged))


def test_finished_files_are_not_made_again(made, monkeypatch):
    monkeypatch.setattr(exports, "_convert", lambda *_: pytest.fail("converted again"))
    finished = [conversion for conversion in made.conversions if conversion.technique != "broken"]
    assert export(finished, made.x[:2], made.folder) == {}


def test_image_of_another_size_is_refused(made):
    with pytest.raises(UserError, match=r"\(16, 16, 3\), not \(8, 8, 3\)"):
        load_runner(made.folder / "int8.tflite").prepare(np.zeros((8, 8, 3), np.float32))


def test_file_of_another_kind_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"\.tflite or \.onnx"):
        load_runner(tmp_path / "model.keras")


def test_numbers_outside_the_range_of_int8_are_clipped_and_others_come_back_within_half_a_step():
    values = np.float32([-1000, -3.2, 0, 1.26, 1000])
    stored = quantize(values, np.int8, 0.1, 5)
    assert stored.tolist() == [-128, -27, 5, 18, 127]
    np.testing.assert_allclose(dequantize(stored, 0.1, 5)[1:4], values[1:4], atol=0.05 + 1e-6)


@pytest.mark.slow
def test_text_models_export_for_one_length_and_a_crash_of_the_converter_is_a_reason(tmp_path):
    x = np.random.default_rng(0).integers(1, 50, (16, 20)).astype(np.int32)
    x[:8, 12:] = 0
    about = about_texts(CARD, model="toy", technique="any", sequence_length=20, tokenizer="tokenizer.json")
    models = {"lstm": lstm(50, 2, width=8), "transformer": transformer(50, 20, 2, width=16, num_heads=2)}
    for name, model in models.items():
        save_for_conversion(model, tmp_path / name, x[0])
        kinds = (("float32", "tflite"), ("int8", "tflite"), ("dynamic", "tflite"), ("float32", "onnx"))
        conversions = [Conversion(f"{name}_{p}", kind, tmp_path / name, p, about) for p, kind in kinds]
        failures = export(conversions, x, tmp_path)
        if name == "lstm":
            assert "crashed" in failures.pop("lstm_int8.tflite")
        assert not failures
        for file in (f"{name}_float32.tflite", f"{name}_float32.onnx"):
            logits = run_all(load_runner(tmp_path / file), [x])
            np.testing.assert_allclose(logits, np.asarray(model(x, training=False)), atol=1e-5)  # float32 sums
