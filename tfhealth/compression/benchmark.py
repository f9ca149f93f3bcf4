"""What each artifact costs and what it still gets right, beside the Keras model: one row each, and one a subgroup."""

import dataclasses
import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tfhealth.compression.artifact import LATENCY, SUFFIX, Artifact
from tfhealth.compression.runtime import load_runner, run_all
from tfhealth.data.dataset import Split
from tfhealth.data.pipeline import Feed
from tfhealth.errors import UserError
from tfhealth.paths import read_json
from tfhealth.provenance import has_int8_dot_products
from tfhealth.training.metrics import classification_scores, cluster_weights, interval
from tfhealth.training.paired import mcnemar
from tfhealth.training.predict import predictions_of
from tfhealth.training.record import Predictions
from tfhealth.training.weighted import weighted_scores

SCORES = ("accuracy", "balanced_accuracy", "roc_auc")
THREADS = (1, 2)
BATCH = 64
NAN = float("nan")


def measure(run_name: str, path: Path, feed: Feed, split: Split, keras_logits: np.ndarray) -> Artifact:
    """Returns the record of a file, run on every example of the test split one by one; a file without one gets one.

    The predictions are saved beside it as <name>.npz, the record as <name>.json. A file that cannot be run has its
    reason in the record.

    Args:
        run_name: of the TrainingRun.
        path: <technique>.<format>.
        keras_logits: (n, num_classes) of the Keras model on the same split.
    """
    record = path.with_name(path.name + SUFFIX)
    if record.exists():
        return Artifact.load(record, "the same command")
    technique, kind = path.stem, path.suffix[1:]
    try:
        logits = run_all(load_runner(path), feed.evaluation(split, BATCH))
    except UserError as error:
        artifact = Artifact(run_name, technique, kind, failure=str(error))
    else:
        predictions = predictions_of(split, logits)
        saved = path.with_name(path.name + ".npz")
        predictions.save(saved)
        artifact = Artifact(
            run_name,
            technique,
            kind,
            path=path,
            size_bytes=path.stat().st_size,
            gzip_bytes=len(gzip.compress(path.read_bytes(), mtime=0)),
            max_abs_error=float(np.abs(logits - keras_logits).max()),
            top1_agreement=float(np.mean(logits.argmax(1) == keras_logits.argmax(1))),
            metrics=classification_scores(predictions.y_true, predictions.y_prob),
            predictions=saved,
        )
    artifact.save(path.parent)
    return artifact


def predict(artifact: Artifact, feed: Feed, split: Split, split_name: str) -> Predictions:
    """Returns a file's answers on another split; they are saved beside it as <name>.<split_name>.npz, once."""
    path = artifact.path.with_name(f"{artifact.path.name}.{split_name}.npz")
    if not path.exists():
        predictions_of(split, run_all(load_runner(artifact.path), feed.evaluation(split, BATCH))).save(path)
    return Predictions.load(path, "the same command")


def measure_speed(artifacts: Sequence[Artifact], rows: np.ndarray, *, rounds: int) -> dict[str, dict[str, float]]:
    """Returns artifact name -> latency p50 and p95 in ms by threads, memory_mb, int8_dot_products; see timing.py.

    All files take turns in one process without TensorFlow; memory needs a process for each. int8_dot_products, 1 or 0,
    is the processor's: see `provenance.has_int8_dot_products`.

    Args:
        artifacts: those that failed are left out.
        rows: (n, ...) examples as the models take them.
        rounds: turns of each file.
    """
    paths = [artifact.path for artifact in artifacts if artifact.path is not None]
    found = _timing(paths, rows, rounds, THREADS) if paths else {}
    known = has_int8_dot_products()
    dot_products = {"int8_dot_products": NAN if known is None else float(known)}
    return {path.name: found[path.name] | _timing([path], rows, rounds, ())[path.name] | dot_products for path in paths}


def with_latency(artifact: Artifact, speed: Mapping[str, Mapping[str, float]]) -> Artifact:
    """Returns the record with the measured latency, and saves it."""
    if artifact.path is None:
        return artifact
    done = dataclasses.replace(artifact, latency_ms=speed[artifact.name][LATENCY])
    done.save(artifact.path.parent)
    return done


def comparison_rows(
    artifacts: Sequence[Artifact],
    baseline: Predictions,
    speed: Mapping[str, Mapping[str, float]],
    *,
    reference: str,
    draws: int,
    seed: int,
) -> list[dict]:
    """Returns one row an artifact; what a failed one has not is NaN.

    name, technique, format, failure, size_mb, gzip_mb (1 MB = 1e6 bytes), times_smaller (gzip) and times_faster than
    the reference, the columns of `measure_speed`, <score>, <score>_change, <score>_change_low and _high for SCORES
    (change to the baseline, 95 % interval of the paired bootstrap over groups), p_value (McNemar), max_abs_error,
    top1_agreement.

    Args:
        baseline: the Keras model's predictions on the same split.
        reference: name of the artifact that size and speed are compared with.
    """
    weights = cluster_weights(baseline.group_ids, draws=draws, seed=seed)
    before = _scores(baseline, weights)
    by_name = {artifact.name: artifact for artifact in artifacts}
    base = {"gzip": by_name[reference].gzip_bytes or NAN, "ms": speed.get(reference, {}).get(LATENCY, NAN)}
    return [_row(artifact, baseline, before, weights, speed, base) for artifact in artifacts]


def subgroup_rows(artifacts: Sequence[Artifact], baseline: Predictions, *, draws: int, seed: int) -> list[dict]:
    """Returns one row an artifact, feature and group: count, accuracy before, accuracy_change, with its interval.

    A compression that hurts one group more than others shows here.
    """
    weights, rows = cluster_weights(baseline.group_ids, draws=draws, seed=seed), []
    right = baseline.y_pred == baseline.y_true
    for artifact in artifacts:
        if artifact.predictions is None:
            continue
        after = Predictions.load(artifact.predictions, "the same command")
        change = (after.y_pred == after.y_true).astype(float) - right
        for feature, values in baseline.sensitive_features.items():
            for group in np.unique(values):
                member = values == group
                drawn = weights[:, member].sum(1)
                means = (weights[:, member] @ change[member])[drawn > 0] / drawn[drawn > 0]
                low, high = interval(means)
                rows.append(
                    {
                        "name": artifact.name,
                        "feature": feature,
                        "group": str(group),
                        "count": int(member.sum()),
                        "accuracy_before": float(right[member].mean()),
                        "accuracy_change": float(change[member].mean()),
                        "accuracy_change_low": low,
                        "accuracy_change_high": high,
                    }
                )
    return rows


def _scores(predictions: Predictions, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Returns score -> (1 + draws,) values: on the split as it is, then on every bootstrap sample."""
    weights = np.concatenate([np.ones((1, weights.shape[1])), weights])
    found = weighted_scores(predictions.y_true, predictions.y_prob, weights)
    return {name: found[name] for name in SCORES}


def _row(artifact: Artifact, baseline: Predictions, before, weights, speed, base) -> dict:
    row = {
        "name": artifact.name,
        "technique": artifact.technique,
        "format": artifact.format,
        "failure": artifact.failure,
        "size_mb": artifact.size_bytes / 1e6 or NAN,
        "gzip_mb": artifact.gzip_bytes / 1e6 or NAN,
        "times_smaller": base["gzip"] / (artifact.gzip_bytes or NAN),
        "times_faster": base["ms"] / speed.get(artifact.name, {}).get(LATENCY, NAN),
    }
    for column in (f"latency_p{p}_{n}_threads_ms" for n in THREADS for p in (50, 95)):
        row[column] = speed.get(artifact.name, {}).get(column, NAN)
    for column in ("memory_mb", "int8_dot_products"):
        row[column] = speed.get(artifact.name, {}).get(column, NAN)
    row |= {f"{name}{end}": NAN for name in SCORES for end in ("", "_change", "_change_low", "_change_high")}
    row["p_value"] = NAN
    if artifact.predictions is not None:
        after = Predictions.load(artifact.predictions, "the same command")
        for name, values in _scores(after, weights).items():
            change = values - before[name]
            low, high = interval(change[1:])
            row |= {name: float(values[0]), f"{name}_change": float(change[0])}
            row |= {f"{name}_change_low": low, f"{name}_change_high": high}
        row["p_value"] = mcnemar(baseline.y_true, baseline.y_pred, after.y_pred)["p_value"]
    return row | {"max_abs_error": artifact.max_abs_error, "top1_agreement": artifact.top1_agreement}


def _timing(paths: Sequence[Path], rows: np.ndarray, rounds: int, threads: Sequence[int]) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "rows.npy"), rows)
        job, result = Path(folder, "job.json"), Path(folder, "result.json")
        plain = {"paths": [str(path.resolve()) for path in paths], "rows": str(Path(folder, "rows.npy"))}
        plain |= {"rounds": rounds, "threads": list(threads), "result": str(result)}
        job.write_text(json.dumps(plain), encoding="utf-8")
        command = [sys.executable, "-m", "tfhealth.compression.timing", str(job)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            raise UserError(f"the benchmark's process ended with code {done.returncode}: {done.stderr.strip()[-300:]}")
        found = read_json(result, "the same command")
    return {name: {key: NAN if v is None else v for key, v in row.items()} for name, row in found.items()}
