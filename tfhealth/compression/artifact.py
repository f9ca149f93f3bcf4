"""Artifact: one compressed form of a model, and all that was measured on it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tfhealth.paths import read_json, write_json

SUFFIX = ".json"  # of the record, behind the name of the file that it describes
LATENCY = "latency_p50_1_threads_ms"  # of the latencies in the tables, the one that stands for an artifact


@dataclass(frozen=True)
class Artifact:
    """One file for a phone, or the reason why there is none.

    Attributes:
        run_name: of the TrainingRun that it comes from.
        technique: e.g. "pruned80_int8"; unique together with `format`.
        format: "tflite" or "onnx".
        path: of the file; None if the technique failed.
        failure: why it failed, in one line; "" if it did not.
        size_bytes, gzip_bytes: of the file, and of what is downloaded.
        latency_ms: median of one prediction, batch 1, one thread; NaN until it was measured.
        max_abs_error: largest difference of a logit to the Keras model's, on the test split.
        top1_agreement: share of the test split on which both name the same class.
        metrics: scores of training.metrics.classification_scores on the test split.
        predictions: the file of its training.record.Predictions on the test split.
    """

    run_name: str
    technique: str
    format: str
    path: Path | None = None
    failure: str = ""
    size_bytes: int = 0
    gzip_bytes: int = 0
    latency_ms: float = float("nan")
    max_abs_error: float = float("nan")
    top1_agreement: float = float("nan")
    metrics: Mapping[str, float] = field(default_factory=dict)
    predictions: Path | None = None

    @property
    def name(self) -> str:
        return f"{self.technique}.{self.format}"

    def save(self, folder: Path) -> None:
        """Writes <name>.json into `folder`; paths are stored relative to it, so the folder can be moved."""
        plain = dataclasses.asdict(self)
        plain |= {key: value and value.name for key, value in plain.items() if isinstance(value, Path)}
        write_json(folder / (self.name + SUFFIX), plain)

    @classmethod
    def load(cls, path: Path, made_by: str) -> "Artifact":
        """Reads what `save` wrote; a missing or broken file raises UserError naming the command that makes it."""
        plain = read_json(path, made_by)
        for key in ("path", "predictions"):
            plain[key] = plain[key] and path.parent / plain[key]
        for key in ("latency_ms", "max_abs_error", "top1_agreement"):  # JSON has no NaN
            plain[key] = float("nan") if plain[key] is None else plain[key]
        plain["metrics"] = {name: float("nan") if v is None else v for name, v in plain["metrics"].items()}
        return cls(**plain)
