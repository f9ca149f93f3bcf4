import numpy as np
from PIL import Image

from tfhealth.report.records_figures import distributions

RNG = np.random.default_rng(0)


def test_columns_of_every_kind_are_drawn(tmp_path):
    """Numbers, numbers never known, more categories than fit, none at all; four panels, so that a line is not full."""
    many = tuple(f"a very long name of category {i}" for i in range(12))
    numbers = np.where(RNG.random(50) < 0.3, np.nan, RNG.normal(size=50))
    columns = [
        {"name": "weight", "categories": None, "real": numbers, "synthetic": numbers + 1},
        {"name": "never", "categories": None, "real": numbers * np.nan, "synthetic": numbers * np.nan},
        {"name": "ward", "categories": many, "real": RNG.integers(0, 12, 50) * 1.0, "synthetic": np.full(50, np.nan)},
        {"name": "empty", "categories": (), "real": np.full(5, np.nan), "synthetic": np.full(5, np.nan)},
    ]
    path = tmp_path / "figure.png"
    distributions(columns, path)
    with Image.open(path) as image:
        assert image.width == 1300  # 6.5 inches at 200 dpi
        assert len(np.unique(np.asarray(image.convert("RGB")))) > 5
