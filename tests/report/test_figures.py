import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from PIL import Image

from tfhealth.report import figures, image_figures

NAN = float("nan")
RNG = np.random.default_rng(0)
CLASSES = ["mel", "nv", "vasc"]


@pytest.fixture
def png(tmp_path):
    return tmp_path / "exports" / "figure.png"


def assert_page(png):
    with Image.open(png) as image:
        image.load()
        assert image.format == "PNG"
        assert image.width == 1300  # 6.5 inches at 200 dpi
    assert png.stat().st_size < 300_000
    assert np.ptp(figures.read_rgb(png)) > 100  # something was drawn
    assert [path.name for path in png.parent.iterdir()] == [png.name]


def assert_same_picture(draw, one, other, tmp_path):
    draw(one, tmp_path / "one.png")
    draw(other, tmp_path / "other.png")
    np.testing.assert_array_equal(figures.read_rgb(tmp_path / "one.png"), figures.read_rgb(tmp_path / "other.png"))


def history(epochs):
    keys = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")
    return {key: list(RNG.random(epochs)) for key in keys}


def test_learning_curves_take_models_of_different_length(png):
    figures.learning_curves({"resnet8": history(5), "resnet18": history(3)}, {"resnet8": 4, "resnet18": 3}, png)
    assert_page(png)


def test_learning_curves_of_one_epoch_with_an_undefined_loss_and_no_best_epoch_are_drawn(png):
    figures.learning_curves({"resnet8": history(1) | {"val_loss": [None]}}, {}, png)
    assert_page(png)


def size_row(model, examples, **changes):
    keys = [f"{part}_{key}" for part in ("train", "validation") for key in ("low", "score", "high")]
    values = (0.8, 0.85, 0.9, 0.5, 0.6, 0.7)
    return {"model": model, "examples": examples} | dict(zip(keys, values, strict=True)) | changes


def test_sample_size_curves_are_drawn_without_the_interval_that_is_undefined(png):
    rows = [size_row(model, n) for model in ("resnet8", "resnet18") for n in (100, 200, 400, 800)]
    rows[0] |= {"train_low": NAN, "validation_high": None}
    figures.sample_size_curves(rows, png, score_name="balanced_accuracy")
    assert_page(png)


def test_sample_size_curves_do_not_depend_on_the_order_of_rows(tmp_path):
    rows = [size_row("resnet8", n, train_score=n / 1000) for n in (100, 200, 400)]
    assert_same_picture(figures.sample_size_curves, rows, rows[::-1], tmp_path)


TRIALS = [
    {"dropout": 0.0, "l2": 0.0, "weight_decay": 1e-4, "mixup": True, "stem": "small", "log_loss": 0.7},
    {"dropout": 0.3, "l2": 1e-5, "weight_decay": 3e-2, "mixup": False, "stem": "large", "log_loss": 0.6},
    {"dropout": 0.5, "l2": 1e-3, "weight_decay": 2e-3, "mixup": True, "stem": None, "log_loss": None},
]


def test_tuning_trials_take_numbers_words_zeros_and_failed_trials(png):
    figures.tuning_trials(TRIALS, ["dropout", "l2", "weight_decay", "mixup", "stem"], "log_loss", png)
    assert_page(png)


@pytest.mark.parametrize("trials", [TRIALS[:1], TRIALS[2:], [{"log_loss": 0.5}]], ids=["one", "failed", "unused"])
def test_tuning_trials_without_a_choice_or_a_result_are_drawn(png, trials):
    figures.tuning_trials(trials, ["dropout", "stem"], "log_loss", png)
    assert_page(png)


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([0.1, 0.2, 0.5], "linear"),
        ([1e-4, 1e-3, 1e-2], "log"),
        ([0.0, *np.geomspace(1e-5, 1e-2, 12)], "symlog"),
        ([0.0, 1e-5, 1e-2], "linear"),  # evenly spaced choices
        (["small", "large", "small"], "linear"),
    ],
)
def test_axis_of_a_hyperparameter_fits_its_values(values, scale):
    ax = figures.Figure().subplots()
    x = figures._place_on_axis(ax, values)
    assert ax.get_xscale() == scale
    assert len(set(x)) == len(set(values))
    assert np.isfinite(ax.transData.transform(np.column_stack([x, x]))[:, 0]).all()


def test_before_after_marks_undefined_scores_and_intervals(png):
    rows = [
        {"name": "baseline", "accuracy": (0.7, 0.65, 0.75), "roc_auc": (NAN, NAN, NAN)},
        {"name": "regularized", "accuracy": (0.8, NAN, NAN), "roc_auc": (0.9, None, None)},
    ]
    figures.before_after(rows, ["accuracy", "roc_auc"], png)
    assert_page(png)


def test_undefined_score_is_written_as_a_word_and_has_no_dot():
    ax = figures.Figure().subplots()
    figures._dot_rows(ax, [(NAN, NAN, NAN), (None, 0.1, 0.2)], ["mel", "nv"])
    assert [text.get_text() for text in ax.texts] == ["undefined", "undefined"]
    assert not ax.lines


def test_class_scores_take_one_class_and_missing_intervals(png):
    row = {"name": "mel", "support": 12, "precision": NAN, "recall": 1.0, "f1": 0.5, "f1_low": 0.4, "f1_high": 0.6}
    figures.class_scores([row], png)
    assert_page(png)


@pytest.mark.parametrize("num_classes", [1, 2, 12])
def test_confusion_matrix_takes_up_to_twelve_classes_one_of_them_empty(png, num_classes):
    counts = RNG.integers(0, 900, (num_classes, num_classes))
    counts[-1] = 0
    image_figures.confusion_matrix(counts, [f"class {i}" for i in range(num_classes)], png)
    assert_page(png)


def curve(name, **changes):
    line = np.linspace(0, 1, 50)
    values = {"fpr": line, "tpr": line**0.5, "roc_auc": 0.67, "recall": line, "precision": 1 - line / 2}
    return {"name": name} | values | {"average_precision": 0.75, "prevalence": 0.3} | changes


def test_roc_and_precision_recall_list_a_class_without_curves_as_undefined(png):
    undefined = curve("df", fpr=None, tpr=None, roc_auc=NAN, recall=[], precision=[], average_precision=None)
    curves = [*map(curve, CLASSES), undefined | {"prevalence": NAN}]
    image_figures.roc_and_precision_recall(curves, png)
    assert_page(png)
    assert image_figures._legend_entry(curves[-1]) == "df: AUC undefined, AP undefined, prevalence undefined"


def test_roc_and_precision_recall_take_one_class(png):
    image_figures.roc_and_precision_recall([curve("mel")], png)
    assert_page(png)


def test_reliability_takes_empty_bins(png):
    confidence = np.array([NAN, NAN, 0.5, 0.7, 0.9])
    before = {"confidence": confidence, "accuracy": confidence - 0.1, "count": [0, 0, 5, 9, 80], "error": 0.1}
    image_figures.reliability(before, before | {"error": NAN, "temperature": 1.4}, png)
    assert_page(png)


def example(side=64, **changes):
    mask = np.zeros((side, side), np.uint8)
    mask[side // 4 : side // 2, side // 4 : side // 2] = 255
    image = RNG.integers(100, 255, (side, side, 3), dtype=np.uint8)
    names = {"true_name": "mel", "predicted_name": "a rather long class name", "probability": 0.7, "correct": False}
    return (
        {"image": image, "heatmap": np.linspace(0, 1, side * side).reshape(side, side), "mask": mask} | names | changes
    )


def test_predictions_grid_of_noise_stays_below_the_file_limit(png):
    image_figures.predictions_grid([example(150) for _ in range(10)], png)
    assert_page(png)


def test_predictions_grid_takes_examples_without_heatmap_mask_or_probability(png):
    full = np.ones((64, 64), np.uint8)
    no_heat, nan_heat = {"heatmap": None, "mask": None}, {"heatmap": np.full((64, 64), NAN), "probability": NAN}
    image_figures.predictions_grid([example(**no_heat), example(**nan_heat), example(mask=full, correct=True)], png)
    assert_page(png)


def test_gradient_norms_take_zeros_undefined_values_and_layers_that_appear_later(png):
    entries = [{"step": s, "norms": {"stem_conv": 0.0 if s == 30 else s, "logits": NAN}} for s in range(10, 50, 10)]
    entries[-1]["norms"]["head"] = 0.0
    figures.gradient_norms(entries, png)
    assert_page(png)


def test_gradient_norms_of_one_step_and_layer_are_drawn(png):
    figures.gradient_norms([{"step": 0, "norms": {"logits": 0.3}}], png)
    assert_page(png)


def test_gradient_norms_of_a_deep_long_noisy_run_stay_below_the_file_limit(png):
    layers = [f"stage1_block{i}_conv" for i in range(107)]  # as many as ResNet-50 has
    norms = RNG.lognormal(np.linspace(-5, 0, len(layers)), 0.3, (400, len(layers)))
    figures.gradient_norms(
        [{"step": i, "norms": dict(zip(layers, row, strict=True))} for i, row in enumerate(norms)], png
    )
    assert_page(png)


def test_image_rows_take_classes_with_different_numbers_of_images(png):
    images = RNG.integers(0, 255, (4, 60, 80, 3), dtype=np.uint8)
    image_figures.image_rows(
        [{"name": name, "images": images[:m]} for name, m in zip(CLASSES, (4, 1, 0), strict=True)], png, "Samples"
    )
    assert_page(png)


def test_read_rgb_returns_the_pixels_without_transparency(tmp_path):
    pixels = RNG.integers(0, 255, (5, 7, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(figures.read_rgb(tmp_path / "a.png"), pixels[..., :3])


def test_failed_drawing_leaves_no_file_and_keeps_the_earlier_one(png):
    with pytest.raises(KeyError, match="error"):
        image_figures.reliability({"confidence": [0.5]}, {}, png)
    with pytest.raises(KeyError, match="f1"), figures.page(png, 2.0, "Scores"):
        raise KeyError("f1")
    assert list(png.parent.iterdir()) == []
    figures.gradient_norms([{"step": 0, "norms": {"logits": 0.3}}], png)
    before = png.read_bytes()
    with pytest.raises(KeyError, match="f1"), figures.page(png, 2.0, "Scores"):
        raise KeyError("f1")
    assert png.read_bytes() == before
    assert [path.name for path in png.parent.iterdir()] == [png.name]


def test_drawing_leaves_matplotlib_as_it_was(png):
    before = dict(matplotlib.rcParams)
    figures.gradient_norms([{"step": 0, "norms": {"logits": 0.3}}], png)
    assert dict(matplotlib.rcParams) == before


def test_figures_import_neither_pyplot_nor_tensorflow():
    code = "import sys, tfhealth.report.image_figures; print({'matplotlib.pyplot', 'tensorflow'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
