"""Measures what training costs by images, pixels, parameters and trials, fits it, and predicts two large data sets.

    python benchmarks/cost_model.py > table.md

Each size is measured in a process of its own, because memory that a process once had is not given back. The tables in
docs/scaling.md are this script's output.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

BASE = {"images": 1000, "side": 64, "width": 16, "trials": 1}
SIZES = {
    "images": (500, 1000, 2000, 4000),
    "side": (32, 64, 96, 128),
    "width": (8, 16, 32, 64),
    "trials": (1, 2, 4, 8),
}
TRIAL = {"images": 500, "side": 32, "width": 8}  # trials are counted on a small training
BATCH_SIZE = 64
# What the prediction assumes of a GPU; see docs/scaling.md.
PEAK_FLOPS, UTILISATION, EFFICIENCY_OF_8 = 312e12, 0.15, 0.9
LARGE = {"ISIC 2024, 224 px": 400_000, "MIMIC-CXR, 224 px": 377_000}
EPOCHS, LARGE_SIDE, LARGE_WIDTH = 30, 224, 64


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(measure(**json.loads(sys.argv[1]))))
        return
    rows = []
    for name, sizes in SIZES.items():
        for size in sizes:
            setting = {**BASE, **(TRIAL if name == "trials" else {}), name: size}
            command = [sys.executable, __file__, json.dumps(setting)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows.append({"varied": name, **setting, **json.loads(done.stdout.splitlines()[-1])})
            print(rows[-1], file=sys.stderr, flush=True)
    print(tables(rows))


def measure(images: int, side: int, width: int, trials: int) -> dict[str, float]:
    """Trains a ResNet-18 on random images; returns seconds per epoch, peak memory, parameters and FLOPs per image."""
    from tfhealth.startup import start_tensorflow

    start_tensorflow(False)
    from tfhealth.config import TrainingConfig
    from tfhealth.data.dataset import Rows, Split
    from tfhealth.data.image_pipeline import Augmentation, ImageFeed
    from tfhealth.models.resnet import resnet18
    from tfhealth.training.fit import train

    config, ids = TrainingConfig(epochs=2, batch_size=BATCH_SIZE, warmup_epochs=0), np.arange(images).astype(str)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        np.save(path, np.random.default_rng(0).integers(0, 256, (images, side, side, 3), dtype=np.uint8))
        split = Split(Rows(np.load(path, mmap_mode="r")), (np.arange(images) % 7).astype(np.int32), ids, ids)
        seconds, start = [], time.perf_counter()
        for trial in range(trials):
            place = Path(folder) / f"trial{trial}"
            place.mkdir()
            found = train(
                f"trial{trial}",
                lambda _: resnet18((side, side, 3), 7, width=width, stem="medium"),
                split,
                split.subset(np.arange(200)),
                config,
                ImageFeed(7, Augmentation()),
                num_classes=7,
                seed=0,
                folder=place,
                log_dir=place,
            )
            seconds.append(found.seconds / config.epochs)
        whole = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return {
        "epoch_s": round(float(np.median(seconds)), 2),
        "whole_s": round(whole, 1),
        "memory_mb": round(memory),
        "parameters": found.parameters,
        "mflops": round(flops(resnet18((side, side, 3), 7, width=width, stem="medium"), side) / 1e6, 1),
    }


def flops(model, side: int) -> float:
    """Returns the floating-point operations of one image forward; a training step takes about three times as many."""
    import tensorflow as tf

    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(tf.TensorSpec((1, side, side, 3)))
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return tf.compat.v1.profiler.profile(function.graph, options=options).total_float_ops


def tables(rows: list[dict]) -> str:
    """Returns the measured table, the fits and the predictions as Markdown."""
    lines = ["| varied | images | side | parameters | MFLOPs an image | trials | s an epoch | s in all | peak MB |"]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        cells = ("varied", "images", "side", "parameters", "mflops", "trials", "epoch_s", "whole_s", "memory_mb")
        lines.append("| " + " | ".join(f"{row[cell]:,}" if cell != "varied" else row[cell] for cell in cells) + " |")
    fits = {name: [row for row in rows if row["varied"] == name] for name in SIZES}
    lines += ["", "| what grows | time | memory |", "|---|---|---|"]
    lines.append(_fit("images", fits["images"], "images", "epoch_s"))
    lines.append(
        _fit("pixels of an image", [{**r, "pixels": r["side"] ** 2} for r in fits["side"]], "pixels", "epoch_s")
    )
    lines.append(_fit("parameters", fits["width"], "parameters", "epoch_s"))
    lines.append(_fit("trials", fits["trials"], "trials", "whole_s"))
    return "\n".join([*lines, "", *_predictions(rows)])


def _fit(label: str, rows: list[dict], x: str, time_of: str) -> str:
    return f"| {label} | {_line(rows, x, time_of, 's')} | {_line(rows, x, 'memory_mb', 'MB')} |"


def _line(rows: list[dict], x: str, y: str, unit: str) -> str:
    """Least squares y = a + b x, with the share of the variance that it explains."""
    xs, ys = (np.array([row[name] for row in rows], float) for name in (x, y))
    slope, start = np.polyfit(xs, ys, 1)
    left = np.sum((ys - start - slope * xs) ** 2) / max(np.sum((ys - ys.mean()) ** 2), 1e-12)
    return f"{start:.3g} + {slope:.3g} {x} {unit} (R² {1 - left:.3f})"


def _predictions(rows: list[dict]) -> list[str]:
    """One training of a ResNet-18 of width 64 at 224 px, by FLOPs: measured speed here, assumed speed on GPUs."""
    widths = [row for row in rows if row["varied"] == "width"]  # the widest is most like what is predicted
    work = [3 * row["mflops"] * 1e6 * row["images"] for row in widths]
    achieved = 1 / np.polyfit(work, [row["epoch_s"] for row in widths], 1)[0]  # without what every epoch costs
    widest = max(widths, key=lambda row: row["width"])
    per_image = 3 * widest["mflops"] * 1e6 * (LARGE_SIDE / widest["side"]) ** 2
    lines = [
        f"Achieved here: {achieved / 1e9:.0f} GFLOP/s. Assumed of a GPU: {PEAK_FLOPS / 1e12:.0f} TFLOP/s at most, of "
        f"which {UTILISATION:.0%} is reached; 8 of them are {8 * EFFICIENCY_OF_8:.1f} times as fast as one. "
        f"{per_image / 3e9:.1f} GFLOPs an image forward, three times as many for a step.",
        "",
        f"| data set | images | {EPOCHS} epochs here | on 1 GPU | on 8 GPUs | prepared images on disk |",
        "|---|---|---|---|---|---|",
    ]
    for name, images in LARGE.items():
        total = per_image * images * EPOCHS
        gpu = total / (PEAK_FLOPS * UTILISATION)
        times = (total / achieved, gpu, gpu / (8 * EFFICIENCY_OF_8))
        hours = " | ".join(f"{seconds / 3600:,.1f} h" for seconds in times)
        lines.append(f"| {name} | {images:,} | {hours} | {images * LARGE_SIDE**2 * 3 / 1e9:.0f} GB |")
    return lines


if __name__ == "__main__":
    main()
