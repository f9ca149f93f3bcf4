import numpy as np
import pytest
from PIL import Image

from tfhealth.report import fairness_figures as figures
from tfhealth.report.figures import read_rgb

NAN = float("nan")


@pytest.fixture
def png(tmp_path):
    return tmp_path / "figure.png"


def assert_page(png):
    with Image.open(png) as image:
        assert image.width == 1300  # 6.5 inches at 200 dpi
    assert png.stat().st_size < 300_000
    assert np.ptp(read_rgb(png)) > 100
    assert [path.name for path in png.parent.iterdir()] == [png.name]


def rate_row(feature, group, value=0.8, **changes):
    rates = {"recall": value, "recall_low": value - 0.1, "recall_high": value + 0.1}
    return {"feature": feature, "group": group, "units": 1200, **rates} | changes


def gap_row(feature, measure, **changes):
    row = {"feature": feature, "measure": measure, "gap": 0.1, "gap_low": -0.02, "gap_high": 0.2, "detectable": 0.15}
    return {**row, "lowest": "female", "highest": "male", "alarm": False} | changes


def test_rates_by_group_draws_groups_that_have_none_as_too_few(png):
    hidden = {"feature": "tone", "group": "pooled: brown / dark", "units": "<10", "reason": "suppressed"}
    rows = [rate_row("sex", "female"), rate_row("sex", "male", 0.7), hidden, rate_row("tone", "light", recall=NAN)]
    figures.rates_by_group(rows, ["recall", "specificity"], png, title="Rates by group")
    assert_page(png)


def test_rates_by_group_of_an_empty_audit_and_of_more_groups_than_fit_are_drawn(png):
    figures.rates_by_group([], ["recall"], png, title="Rates by group")
    assert_page(png)
    many = [rate_row("site", f"clinic {i} with a name that is much too long for a figure") for i in range(90)]
    figures.rates_by_group(many, ["recall"], png, title="Rates by group")
    assert_page(png)


def test_gaps_are_drawn_with_undefined_ones_and_a_measure_that_is_missing(png):
    rows = [
        gap_row("sex", "auc_difference", alarm=True),
        gap_row("tone", "auc_difference", gap=NAN, gap_low=NAN, gap_high=NAN, lowest="", highest="", detectable=NAN),
        gap_row("tone", "equal_opportunity_difference", detectable=None),
    ]
    figures.gaps(rows, ["auc_difference", "equal_opportunity_difference"], png)
    assert_page(png)


def test_alarm_changes_the_picture(png, tmp_path):
    pictures = []
    for alarm in (False, True):
        figures.gaps([gap_row("sex", "auc_difference", alarm=alarm)], ["auc_difference"], png)
        pictures.append(read_rgb(png))
    assert not np.array_equal(*pictures)


def test_reliability_leaves_out_hidden_bins(png):
    curve = {"feature": "sex", "group": "female", "confidence": [0.1, NAN, 0.9], "frequency": [0.2, NAN, 0.7]}
    hidden = curve | {"group": "male", "confidence": [NAN] * 3, "frequency": [NAN] * 3}
    figures.reliability_by_group([curve, hidden, curve | {"feature": "tone"}], png)
    assert_page(png)


def test_trade_off_leaves_out_points_without_a_value(png):
    points = [
        {"name": "uncompressed", "kind": "baseline", "score": 0.8, "gap": 0.2, "gap_low": 0.1, "gap_high": 0.3},
        {"name": "int8", "kind": "artifact", "score": 0.79, "gap": 0.25, "score_low": 0.7, "score_high": 0.85},
        {"name": "group thresholds", "kind": "mitigation", "score": NAN, "gap": 0.25},
    ]
    figures.trade_off(points, png, gap_name="equal_opportunity_difference", score_name="balanced_accuracy")
    assert_page(png)


def test_trade_off_names_files_that_no_other_file_beats(png):
    names = {"gap_name": "equal_opportunity_difference", "score_name": "balanced_accuracy"}
    front = [{"name": str(i), "kind": "artifact", "score": 0.5 + i / 100, "gap": 0.1 + i / 100} for i in range(30)]
    heights = []
    for best in ([], [{"name": "best", "kind": "artifact", "score": 0.9, "gap": 0.05}]):  # it beats all others
        figures.trade_off(front + best, png, **names)
        heights.append(len(read_rgb(png)))
    assert heights[0] > 1.2 * heights[1]  # the legend has a line for each name
