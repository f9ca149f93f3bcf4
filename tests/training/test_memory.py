"""Training memory does not grow with the data set: each size trains one epoch in a process of its own."""

import subprocess
import sys

import numpy as np
import pytest

SIDE = 64
EXTRA_BYTES = 1.5 * 2**30  # above the small run; the large set's images alone are 2.4 GB

TRAIN_ONE_EPOCH = """
import sys
import threading
import time

import numpy as np

from tfhealth.startup import start_tensorflow

start_tensorflow(debug=False)
from tfhealth.config import TrainingConfig
from tfhealth.data.dataset import Rows, Split
from tfhealth.data.image_pipeline import Augmentation, ImageFeed
from tfhealth.models.resnet import resnet8
from tfhealth.training.fit import compile_model

def resident():
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(fields["VmRSS"].split()[0]) * 1024

peak = 0
def watch():
    global peak
    while True:
        peak = max(peak, resident())
        time.sleep(0.05)
threading.Thread(target=watch, daemon=True).start()

images = np.load(sys.argv[1], mmap_mode="r")
n = len(images)
ids = np.arange(n).astype(str)
split = Split(Rows(images), (np.arange(n) % 2).astype(np.int32), ids, ids)
config = TrainingConfig(epochs=1, batch_size=128)
model = resnet8(images.shape[1:], 2, width=2, stem="large")
compile_model(model, config, split, 2)
batches = ImageFeed(2, Augmentation()).training(split, batch_size=128, seed=0, epochs=range(1))
model.fit(batches, verbose=0, shuffle=False)
print(peak)
"""


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
        done = subprocess.run([sys.executable, "-c", TRAIN_ONE_EPOCH, str(path)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        peaks[count] = int(done.stdout.split()[-1])
        path.unlink()
    print({count: f"{peak / 2**20:.0f} MB" for count, peak in peaks.items()})
    assert peaks[200_000] - peaks[2_000] < EXTRA_BYTES
