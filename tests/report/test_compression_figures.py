import numpy as np
import pytest
from PIL import Image

from tfhealth.report import compression_figures as figures
from tfhealth.report.figures import read_rgb

NAN = float("nan")
MODELS = [{"label": "resnet8", "test": {"accuracy": {"value": 0.79}}}]


def row(name, mb=1.0, ms=1.0, accuracy=0.79, failure=""):
    numbers = {"size_mb": mb, "gzip_mb": mb, "times_smaller": 1 / mb, "times_faster": 1 / ms, "accuracy": accuracy}
    numbers |= {"latency_p50_1_threads_ms": ms, "accuracy_change": accuracy - 0.79}
    numbers |= {"accuracy_change_low": accuracy - 0.8, "accuracy_change_high": accuracy - 0.78}
    numbers |= {"validation_accuracy_change": -0.001}
    return {"name": name, "format": name.split(".")[1], "failure": failure, **numbers}


ROWS = [row("float32.tflite"), row("int8.tflite", 0.3, 0.3, 0.788), row("int8.onnx", 0.4, 0.5, 0.787)]
FAILED = row("lstm_int8.tflite", NAN, NAN, NAN, failure="the converter crashed " * 9)


def width_of(path):
    with Image.open(path) as image:
        return image.width


def test_table_shows_failed_files_too_and_grows_with_their_number(tmp_path):
    heights = []
    for count, rows in enumerate((ROWS, [*ROWS, FAILED])):
        path = tmp_path / f"{count}.png"
        figures.comparison_table(rows, "int8.tflite", path)
        assert width_of(path) == 1300
        heights.append(read_rgb(path).shape[0])
    assert heights[1] > heights[0]


@pytest.mark.parametrize("recommended", ["int8.tflite", None])
@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], [row("a.tflite", 0.01, NAN), *ROWS]])
def test_pareto_plot_is_drawn_for_any_number_of_files(tmp_path, rows, recommended):
    path = tmp_path / "pareto.png"
    figures.pareto(rows, recommended, MODELS, path)
    pixels = read_rgb(path).reshape(-1, 3).astype(int)
    assert width_of(path) == 1300
    blue = (pixels[:, 2] - pixels[:, 0] > 100).sum()
    assert blue > 50, "no point is drawn"


def test_front_holds_those_that_nothing_cheaper_beats():
    cost, score = np.array([3.0, 1.0, 2.0, 4.0, NAN]), np.array([0.8, 0.5, 0.4, 0.8, 0.9])
    assert figures._front(cost, score).tolist() == [1, 0]
    assert figures._front(np.array([]), np.array([])).tolist() == []


def test_subgroup_changes_are_drawn(tmp_path):
    group = {"feature": "sex", "group": "female", "count": 900, "accuracy_change": -0.01}
    group |= {"accuracy_change_low": -0.02, "accuracy_change_high": 0.0}
    figures.subgroup_changes([group, {**group, "group": "male"}], "int8.tflite", tmp_path / "groups.png")
    assert width_of(tmp_path / "groups.png") == 1300
