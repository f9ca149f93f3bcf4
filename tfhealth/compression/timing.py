"""Speed and memory of model files, without TensorFlow: `python -m tfhealth.compression.timing JOB.json`."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfhealth.compression.runtime import Runner, load_runner
from tfhealth.paths import write_json

WARM_UP = 10
# Calls in a row of one model; the first, which brings its weights back into the cache, is not counted.
CALLS_A_TURN = 5


def latencies(runners: Sequence[Runner], rows: np.ndarray, rounds: int) -> np.ndarray:
    """Returns (number of runners, rounds * (CALLS_A_TURN - 1)) milliseconds of single predictions, batch 1.

    The models take turns, in another order each round, so that a drift of the machine hits all alike. A call is timed
    from the prepared input to the logits.
    """
    order = np.random.default_rng(0)
    inputs = [[runner.prepare(row) for row in rows] for runner in runners]
    for runner, tensors in zip(runners, inputs, strict=True):
        for call in range(WARM_UP):
            runner.run(tensors[call % len(tensors)])
    times = [[] for _ in runners]
    for turn in range(rounds):
        for which in order.permutation(len(runners)):
            tensor = inputs[which][turn % len(rows)]
            clock = [time.perf_counter()]
            for _ in range(CALLS_A_TURN):
                runners[which].run(tensor)
                clock.append(time.perf_counter())
            times[which] += np.diff(clock)[1:].tolist()
    return 1000 * np.array(times)


def speed(paths: Sequence[Path], rows: np.ndarray, *, rounds: int, threads: Sequence[int]) -> dict:
    """Returns file name -> {"latency_p50_<n>_threads_ms", "latency_p95_<n>_threads_ms"} for each number of threads."""
    found = {path.name: {} for path in paths}
    for count in threads:
        runners = [load_runner(path, threads=count) for path in paths]
        for path, times in zip(paths, latencies(runners, rows, rounds), strict=True):
            for percent in (50, 95):
                found[path.name][f"latency_p{percent}_{count}_threads_ms"] = float(np.percentile(times, percent))
    return found


def memory(path: Path, rows: np.ndarray) -> dict:
    """Returns by how many MB (1e6 bytes) loading and running a file raises this process's peak of resident memory."""
    load_runtime(path)
    before = peak_bytes()
    runner = load_runner(path)
    for row in rows:
        runner.run(runner.prepare(row))
    return {path.name: {"memory_mb": (peak_bytes() - before) / 1e6}}


def peak_bytes() -> float:
    """Returns the most resident memory that this process ever had; NaN where the system does not say (not Linux).

    Not `getrusage`: a process starts with the value of the one that started it.
    """
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
    return next((1024.0 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")), float("nan"))


def load_runtime(path: Path) -> None:
    """Imports the library that runs this kind of file, whose size is not the model's."""
    if path.suffix == ".onnx":
        import onnxruntime  # noqa: F401
    else:
        import ai_edge_litert.interpreter  # noqa: F401


def main(job: Path) -> None:
    """Writes job["result"], a JSON file: speed of job["paths"], or memory of the only one if job["threads"] is []."""
    job = json.loads(job.read_text(encoding="utf-8"))
    paths, rows = [Path(path) for path in job["paths"]], np.load(job["rows"])
    if job["threads"]:
        found = speed(paths, rows, rounds=job["rounds"], threads=job["threads"])
    else:
        found = memory(paths[0], rows)
    write_json(Path(job["result"]), found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
