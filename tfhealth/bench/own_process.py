"""One training in a process of its own: `python -m tfhealth.bench.own_process WAY IMAGES.npy`; prints JSON.

Memory that a process once had is not given back, and deterministic operations cannot be switched off again.
"""

import json
import sys
import time

import numpy as np

from tfhealth.startup import start_tensorflow

WAYS = ("bare", "streamed", "deterministic")
BATCH, STEPS_BEFORE = 64, 20  # steps that trace and fill the queues, which do not count


def main(way: str, path: str) -> None:
    """Prints {"peak_mb" (1e6 bytes), "step_ms" (median)} of one epoch.

    Args:
        way: "bare": `fit` on an array in memory; "streamed": through data.pipeline, augmented; "deterministic": that,
            with --deterministic.
        path: (n, height, width, 3) uint8.
    """
    start_tensorflow(debug=False, deterministic_seed=0 if way == "deterministic" else None)
    import keras

    from tfhealth.compression.timing import peak_bytes
    from tfhealth.config import PART2
    from tfhealth.data.dataset import Rows, Split
    from tfhealth.data.image_pipeline import Augmentation, ImageFeed
    from tfhealth.models.resnet import BUILDERS
    from tfhealth.training.fit import compile_model

    capacity = PART2["full"].capacities[0]
    images = np.load(path, mmap_mode="r")
    ids = np.arange(len(images))
    split = Split(Rows(images), (ids % 2).astype(np.int32), ids.astype(str), ids.astype(str))
    model = BUILDERS[capacity.builder](images.shape[1:], 2, width=capacity.width, stem=capacity.stem)
    compile_model(model, PART2["full"].study, split, 2)
    ends = []
    clock = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter()))
    if way == "bare":
        labels = keras.utils.to_categorical(split.y, 2)
        model.fit(np.load(path).astype(np.float32), labels, batch_size=BATCH, verbose=0, callbacks=[clock])
    else:
        batches = ImageFeed(2, Augmentation()).training(split, batch_size=BATCH, seed=0, epochs=range(1))
        model.fit(batches, verbose=0, shuffle=False, callbacks=[clock])
    steps = np.diff(ends)[STEPS_BEFORE:]
    print(json.dumps({"peak_mb": peak_bytes() / 1e6, "step_ms": 1000 * float(np.median(steps))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
