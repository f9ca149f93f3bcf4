"""What the frozen part of an encoder makes of a split, kept on disk so that it is computed once."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from tfhealth.console import progress_bar
from tfhealth.data.dataset import Rows, Split
from tfhealth.paths import atomic_path

BATCH_SIZE = 32


def keep_states(model: keras.Model, split: Split, path: Path) -> Split:
    """Returns the split with x (n, time, width) float16, memory-mapped from `path`, in place of token ids.

    Args:
        model: (n, time) token ids to (n, time, width) states.
        split: of token ids.
        path: an .npy file of n * time * width * 2 bytes; computed if it is not there.
    """
    if not path.exists():
        width = model.output_shape[-1]
        with atomic_path(path) as temporary, progress_bar(f"encoding {path.stem}", len(split)) as bar:
            shape = (*split.x.shape, width)
            states = np.lib.format.open_memmap(temporary, "w+", np.float16, shape)
            for start in range(0, len(split), BATCH_SIZE):
                tokens = split.x.take(slice(start, start + BATCH_SIZE))
                padded = np.pad(tokens, ((0, BATCH_SIZE - len(tokens)), (0, 0)), mode="edge")  # one shape, one trace
                states[start : start + len(tokens)] = model.predict_on_batch(padded)[: len(tokens)]
                bar.advance(len(tokens))
            states.flush()
            del states
    return replace(split, x=Rows(np.load(path, mmap_mode="r")))
