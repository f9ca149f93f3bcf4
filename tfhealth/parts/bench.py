"""`tfhealth.run bench`: what the product promises about speed, measured on this machine."""

from functools import partial
from pathlib import Path

from tfhealth.config import PART2
from tfhealth.console import say
from tfhealth.data.image import load_image_dataset
from tfhealth.data.image_source import ImageOptions
from tfhealth.models.resnet import BUILDERS
from tfhealth.report.tables import write_csv
from tfhealth.training.throughput import compare_throughput


def run(root: Path) -> Path:
    """Writes exports/bench/throughput.csv and returns the folder."""
    config = PART2["full"]
    bundle = load_image_dataset("phantom", ImageOptions(image_size=config.image_size, phantom_size=1500))
    shape, rows = bundle.train.x.shape[1:], []
    for capacity in config.capacities[:2]:  # the lightest shows a slow pipeline best
        say(f"Training throughput of {capacity.name}")
        build = BUILDERS[capacity.builder]
        model = partial(build, shape, bundle.num_classes, width=capacity.width, stem=capacity.stem)
        compared = compare_throughput(model, bundle.train, config.study, bundle.num_classes)
        rows += [{"model": capacity.name, **row} for row in compared]
    folder = root / "exports" / "bench"
    write_csv(folder / "throughput.csv", rows)
    for row in rows:
        say(f"{row['model']:15} {row['feed']:22} {row['images_per_second']:7.0f} images/s  {row['ratio_to_bare']:.3f}")
    print(folder)
    return folder
