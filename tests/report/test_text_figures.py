import itertools

import numpy as np
import pytest
from PIL import Image

from tfhealth.report import figures, text_figures

NAN, INF = float("nan"), float("inf")
RNG = np.random.default_rng(0)
LONG_NAME = "Diseases of the blood and blood-forming organs and certain disorders involving the immune mechanism"


@pytest.fixture
def png(tmp_path):
    return tmp_path / "exports" / "figure.png"


def assert_page(png):
    with Image.open(png) as image:
        image.load()
        assert image.format == "PNG"
        assert image.width == 1300  # 6.5 inches at 200 dpi
    assert png.stat().st_size < 300_000
    pixels = figures.read_rgb(png)
    assert np.ptp(pixels) > 100  # something was drawn
    assert (pixels[:, -1] == pixels[0, -1]).all()  # nothing is cut off at the right edge
    assert [path.name for path in png.parent.iterdir()] == [png.name]


def trials(families=("lstm", "transformer"), dropouts=(0.1, 0.3, 0.5), penalties=(1e-5, 1e-4, 1e-3)):
    rows = []
    for family, dropout, l2, early_stopping in itertools.product(families, dropouts, penalties, (False, True)):
        accuracy, gap = 0.6 + 0.2 * RNG.random(), 0.3 * RNG.random() - 0.05
        row = {"family": family, "dropout": dropout, "l2": l2, "early_stopping": early_stopping, "epochs": 12}
        rows.append(row | {"validation_accuracy": accuracy, "train_accuracy": accuracy + gap, "gap": gap})
    return rows


@pytest.mark.parametrize("families", [("lstm",), ("lstm", "transformer")])
@pytest.mark.parametrize("values", [1, 3, 5])
def test_regularization_grid_takes_one_to_five_values_of_one_or_two_families(png, families, values):
    rows = trials(families, (0.1, 0.2, 0.3, 0.4, 0.5)[:values], (0, 1e-6, 1e-5, 1e-4, 1e-3)[:values])
    text_figures.regularization_grid(rows, png)
    assert_page(png)


def test_regularization_grid_takes_undefined_values_missing_settings_and_one_kind_of_stopping(png):
    rows = [row for row in trials() if row["early_stopping"]][1:]
    rows[0]["validation_accuracy"], rows[1]["gap"] = NAN, None
    text_figures.regularization_grid(rows, png)
    assert_page(png)


def test_regularization_grid_without_any_result_is_drawn(png):
    rows = [row | {"validation_accuracy": NAN, "gap": None} for row in trials(("lstm",))]
    text_figures.regularization_grid(rows, png)
    assert_page(png)


def test_outlined_setting_is_the_one_of_highest_validation_accuracy_within_the_family():
    rows = trials()
    rows[2]["validation_accuracy"], rows[20]["validation_accuracy"], rows[3]["validation_accuracy"] = 0.95, 0.99, None
    assert text_figures._best_setting(rows, "lstm") is rows[2]
    assert text_figures._best_setting(rows, "transformer") is rows[20]
    assert text_figures._best_setting(rows[3:4], "lstm") is None


def test_cells_that_were_not_tried_have_a_dash():
    table = np.array([[0.7012, NAN], [-0.0001, 0.5]])
    ax = figures.Figure().subplots()
    text_figures._draw_cells(ax, table, text_figures.ScalarMappable(figures.Normalize(0, 1), "Blues"), crowded=False)
    assert [text.get_text() for text in ax.texts] == ["0.701", "-", "0.000", "0.500"]


def gradients(layers, steps=100, lowest=-3):
    depth = np.linspace(lowest, 0, len(layers))
    norms = 10 ** (depth + RNG.normal(0, 0.2, (steps, len(layers))))
    return [{"step": 10 * i, "norms": dict(zip(layers, row, strict=True))} for i, row in enumerate(norms)]


def test_gradient_norms_by_model_take_models_of_different_depth_and_length(png):
    deep = [f"encoder_block{i}_{part}" for i in range(1, 7) for part in ("attention", "feedforward_1", "norm")]
    few = ["token_embedding", "lstm1", "logits"]
    histories = {
        "rnn": gradients(few),
        "lstm": gradients(few, 30),
        "gru": gradients(few),
        "transformer": gradients(deep),
    }
    text_figures.gradient_norms_by_model(histories, png)
    assert_page(png)


def test_gradient_norms_by_model_take_one_model_one_step_zeros_and_undefined_values(png):
    text_figures.gradient_norms_by_model({"lstm": [{"step": 3, "norms": {"lstm1": 0.0, "logits": 1.0}}]}, png)
    assert_page(png)
    text_figures.gradient_norms_by_model({"lstm": [{"step": 3, "norms": {"lstm1": NAN, "logits": 0.0}}]}, png)
    assert_page(png)


def test_gradient_norms_by_model_draw_first_last_and_evenly_spaced_layers_of_a_deep_model():
    ax = figures.Figure().subplots()
    text_figures._draw_layers(ax, gradients([f"layer{i}" for i in range(50)], 5))
    assert ax.get_legend_handles_labels()[1] == [f"layer{i}" for i in (0, 7, 14, 21, 28, 35, 42, 49)]


def test_time_step_gradients_take_zeros_and_values_that_are_not_finite(png):
    falling = 10.0 ** -np.arange(60, 0, -1)
    gone = np.where(np.arange(60) < 20, 0, falling)
    curves = {
        "rnn": {"start": list(gone), "end": [NAN] * 60},
        "lstm": {"start": [*falling[:-3], INF, NAN, None], "end": [0.0] * 60},
        "transformer": {"start": [0.1] * 60, "end": [0.2] * 60},
    }
    ratios = {"rnn": {"start": 0.0, "end": NAN}, "lstm": {"start": 7e-12, "end": None}}
    text_figures.time_step_gradients(curves, ratios | {"transformer": {"start": 1.0, "end": INF}}, png)
    assert_page(png)


def test_time_step_gradients_without_a_positive_value_are_drawn(png):
    curves = {"rnn": {"start": [0.0] * 5, "end": [NAN]}}
    text_figures.time_step_gradients(curves, {"rnn": {"start": NAN, "end": NAN}}, png)
    assert_page(png)


def document(tokens, **changes):
    names = {"true_name": "Neoplasms", "predicted_name": LONG_NAME, "correct": False}
    return {"tokens": tokens, "weights": list(RNG.random(len(tokens)))} | names | changes


def test_attention_by_token_of_five_full_pages_stays_below_the_file_limit(png):
    text_figures.attention_by_token(
        [document(["chronic", "appendic", "##itis", ";", "was", "ruled", "out"] * 15) for _ in range(5)], png
    )
    assert_page(png)


@pytest.mark.parametrize(
    "tokens",
    [
        ["$", "$x^2$", "_", "a_b", "\\frac", "{", "^", "%", "&", "#", "##itis"],
        ["µg", "≥", "β", "naïve", "cafe\u0301", "中文", "😀", "\n", "\t", "\u200b", "\u0627"],
        ["word"],
        ["a" * 500, "", " "],
        [],
    ],
    ids=["markup", "unicode", "one", "long", "none"],
)
def test_attention_by_token_writes_any_text(png, tokens):
    text_figures.attention_by_token([document(tokens, true_name="$a_b$ 中", correct=True)], png)
    assert_page(png)


def test_long_class_names_leave_the_tokens_their_width(png):
    pictures = []
    for name in ("Neoplasms", "Pathological Conditions, Signs and Symptoms"):
        long = document(["chronic", "cough"] * 20, true_name=name, predicted_name=name, correct=False)
        text_figures.attention_by_token([long], png)
        pictures.append(figures.read_rgb(png)[-100:])  # the bar, as wide as the tokens
    np.testing.assert_array_equal(*pictures)


@pytest.mark.parametrize("weights", [[0.0, 0.0], [NAN, INF], [NAN, 0.5]])
def test_attention_by_token_takes_weights_without_a_highest(png, weights):
    text_figures.attention_by_token([document(["chronic", "cough"], weights=weights)], png)
    assert_page(png)


def test_tokens_are_shaded_relative_to_the_highest_and_stay_within_the_line():
    placed = text_figures._laid_out(document(["cough"] * 60, weights=[1.0, 4.0, *[2.0] * 58]))
    assert [shade for *_, shade in placed[:3]] == [0.25, 1.0, 0.5]
    assert max(column + len(text) for _, column, text, _ in placed) <= text_figures.LINE_CHARACTERS
    assert [line for line, *_ in placed] == sorted(line for line, *_ in placed)
    assert placed[-1][0] > 0


def test_tokens_left_out_are_counted_behind_an_ellipsis():
    assert text_figures._laid_out(document(["cough"] * 90))[-1][2] == "cough"
    placed = text_figures._laid_out(document(["cough"] * 250))
    assert len(placed) == 91
    assert placed[-1][2] == "… 160 more"


def layer(name, tokens, first=1, **changes):
    distance = np.arange(first, tokens)
    uniform = np.cumsum(tokens - distance) / np.sum(tokens - distance)
    means = {"mean": 12.3, "uniform_mean": tokens / 3}
    return {"name": name, "distance": distance, "share": uniform**0.5, "uniform": uniform} | means | changes


@pytest.mark.parametrize("count", [1, 2, 6])
def test_attention_distance_takes_any_number_of_layers(png, count):
    text_figures.attention_distance([layer(f"encoder_block{i}", 256) for i in range(count)], png)
    assert_page(png)


def test_attention_distance_takes_distance_0_one_distance_undefined_values_and_long_names(png):
    undefined = layer("encoder_block1", 40, share=[NAN] * 39, mean=NAN, uniform_mean=None)
    layers = [layer("a" * 80, 512, first=0), undefined, layer("encoder_block3", 2, uniform=[None])]
    text_figures.attention_distance(layers, png)
    assert_page(png)


def test_learning_curves_of_both_families_are_drawn_beside_each_other(png):
    keys = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")
    histories = {
        name: {key: list(RNG.random(epochs)) for key in keys} for name, epochs in (("lstm", 25), ("transformer", 9))
    }
    figures.learning_curves(histories, {"lstm": 20, "transformer": 4}, png)
    assert_page(png)
