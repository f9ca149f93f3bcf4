"""Training memory does not grow with the data set: each set trains one epoch in a process of its own."""

import subprocess
import sys

import numpy as np
import pytest

SIDE = 64
EXTRA_BYTES = 1.5 * 2**30  # above the small run; the large set's images alone are 2.4 GB

BIG_SIDE, BIG_BYTES = 128, 20e9
# Most of the resident memory of the whole epoch, relative to that of its first quarter: it settles in the first eighth
# (0.9 to 1.1 GB) and then stays (1,077 to 1,081 MB at most in each sixteenth of the epoch).
FLAT = 1.10

START = """
import sys
import threading
import time

import numpy as np

from tfhealth.startup import start_tensorflow

start_tensorflow(debug=False)
import keras

from tfhealth.config import TrainingConfig
from tfhealth.data.dataset import Rows, Split
from tfhealth.data.image_pipeline import Augmentation, ImageFeed
from tfhealth.models.resnet import resnet8
from tfhealth.training.fit import compile_model

def resident():
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(fields["VmRSS"].split()[0]) * 1024

images = np.load(sys.argv[1], mmap_mode="r")
n = len(images)
ids = np.arange(n).astype(str)
split = Split(Rows(images), (np.arange(n) % 2).astype(np.int32), ids, ids)
"""

TRAIN_ONE_EPOCH = """
peak = 0
def watch():
    global peak
    while True:
        peak = max(peak, resident())
        time.sleep(0.05)
threading.Thread(target=watch, daemon=True).start()

config = TrainingConfig(epochs=1, batch_size=128)
model = resnet8(images.shape[1:], 2, width=2, stem="large")
compile_model(model, config, split, 2)
batches = ImageFeed(2, Augmentation()).training(split, batch_size=128, seed=0, epochs=range(1))
model.fit(batches, verbose=0, shuffle=False)
print(peak)
"""

# A model that costs next to nothing, so that reading is what takes the time.
READ_ALL = """
model = keras.Sequential([keras.Input(images.shape[1:]), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
compile_model(model, TrainingConfig(epochs=1, batch_size=256), split, 2)
sizes = []
watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: sizes.append(resident()))
batches = ImageFeed(2).training(split, batch_size=256, seed=0, epochs=range(1))
model.fit(batches, verbose=0, shuffle=False, callbacks=[watch])
print(len(sizes), max(sizes[: len(sizes) // 4]), max(sizes))
"""


def printed(script: str, path) -> list[int]:
    """Runs a script on a file of images in a process of its own; returns the numbers of its last line."""
    done = subprocess.run([sys.executable, "-c", START + script, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [int(number) for number in done.stdout.splitlines()[-1].split()]


@pytest.mark.slow
def test_training_on_200000_images_needs_little_more_memory_than_on_2000(tmp_path):
    peaks = {}
    for count in (2_000, 200_000):
        path = tmp_path / f"{count}.npy"
        images = np.lib.format.open_memmap(path, "w+", np.uint8, (count, SIDE, SIDE, 3))
        block = np.random.default_rng(0).integers(0, 256, (2_000, SIDE, SIDE, 3), dtype=np.uint8)
        for start in range(0, count, len(block)):
            images[start : start + len(block)] = block
        images.flush()
        del images
        (peaks[count],) = printed(TRAIN_ONE_EPOCH, path)
        path.unlink()
    print({count: f"{peak / 2**20:.0f} MB" for count, peak in peaks.items()})
    assert peaks[200_000] - peaks[2_000] < EXTRA_BYTES


@pytest.mark.slow
def test_memory_stays_flat_while_20_gigabytes_stream_by(tmp_path):
    count = int(BIG_BYTES // (BIG_SIDE * BIG_SIDE * 3)) + 1
    path = tmp_path / "sparse.npy"  # all holes: nothing is written
    np.lib.format.open_memmap(path, "w+", np.uint8, (count, BIG_SIDE, BIG_SIDE, 3))
    assert path.stat().st_size > BIG_BYTES
    steps, early, most = printed(READ_ALL, path)
    print(f"{steps} steps, {early / 2**20:.0f} MB in the first quarter, at most {most / 2**20:.0f} MB")
    assert steps == count // 256
    assert most < FLAT * early
