"""What two runs with the same seed may differ in: what was timed, and what follows from it."""

import json
import re
from pathlib import Path

# Which file Part 4 recommends is a matter of its latency.
TIMED = re.compile(
    r"seconds|_ms|ms_per|latency|times_faster|tflite_over_onnx|throughput|memory|tracking_cost|^recommendation$"
)
TEXT_NAMES_TIMINGS = ("part1", "part4")


def findings_without_timings(path: Path) -> dict:
    found = json.loads(path.read_text())
    if path.parent.name in TEXT_NAMES_TIMINGS:
        del found["text"]
    return without_timings(found)


def without_timings(value):
    if isinstance(value, dict):
        return {key: without_timings(item) for key, item in value.items() if not TIMED.search(key)}
    return [without_timings(item) for item in value] if isinstance(value, list) else value
