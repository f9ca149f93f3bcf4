# %% [markdown]
# # Part 4: a model fit for a phone
#
# This notebook opens a finished run (`python -m tfhealth.run all`) and runs its TFLite and ONNX files on test images,
# one by one, as a phone does. It is written from `notebooks/part4.py`; the part itself is `tfhealth/parts/part4.py`.
#
# Research software, not a medical device.

# %%
import time

import numpy as np
import pandas as pd
from IPython.display import Image, Markdown, display

from tfhealth.compression.artifact import Artifact
from tfhealth.compression.runtime import load_runner, run_all
from tfhealth.data.image import load_image_dataset
from tfhealth.parts.walkthrough import open_part

part = open_part("part4")
images = open_part("part2")
bundle = load_image_dataset(images.settings["image"], images.image_options())

# %% [markdown]
# ## The files
#
# Before compression: `float32.tflite`.

# %%
columns = [
    "name",
    "size_mb",
    "gzip_mb",
    "times_smaller",
    "latency_p50_1_threads_ms",
    "times_faster",
    "accuracy",
    "accuracy_change",
]
part.table("comparison")[columns].round(3)

# %% [markdown]
# ## Running some of them
#
# Every file says of itself what it is: classes, input, licence.

# %%
records = [
    Artifact.load(path, "python -m tfhealth.run part4") for path in sorted((part.folder / "artifacts").glob("*.json"))
]
made = {record.name: record for record in records if not record.failure}
shown = [name for name in ("float32.tflite", "float16.tflite", "int8.tflite", "int8.onnx") if name in made]
runner = load_runner(made[shown[0]].path)
print(", ".join(sorted(runner.about)))

# %%
count = min(100, len(bundle.test))
rows, truth = bundle.test.x.take(slice(0, count)), bundle.test.y[:count]
reference = run_all(runner, [rows]).argmax(1)
found = []
for name in shown:
    runner = load_runner(made[name].path)
    start = time.perf_counter()
    answers = run_all(runner, [rows]).argmax(1)
    seconds = time.perf_counter() - start
    found.append(
        {
            "file": name,
            "KB": made[name].size_bytes / 1000,
            "ms a prediction, now": 1000 * seconds / count,
            "accuracy": np.mean(answers == truth),
            "same answer as float32": np.mean(answers == reference),
        }
    )
pd.DataFrame(found).round(3)

# %% [markdown]
# ## Which to ship

# %%
choice = part.findings.values["recommendation"]
print("recommended:", choice["name"] or f"none keeps the limits; nearest is {choice['nearest']}")
print("limits:", part.findings.values["limits"])
display(Image(part.figure("pareto")))

# %% [markdown]
# ## Analysis

# %%
Markdown(part.findings.text)
