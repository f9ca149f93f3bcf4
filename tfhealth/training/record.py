"""What a training leaves behind: TrainingRun (run.json, model.keras) and Predictions (predictions_<split>.npz)."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tfhealth.errors import UserError
from tfhealth.paths import atomic_path, read_json, write_json

FEATURE = "feature__"  # prefix of the sensitive features' columns in the file


@dataclass(frozen=True)
class Predictions:
    """A model's answers on one split; all that audit and report need.

    y_true (n,) int32, y_prob (n, num_classes) float32 rows summing to 1, sensitive_features name -> (n,) str,
    example_ids and group_ids (n,) str.
    """

    y_true: np.ndarray
    y_prob: np.ndarray
    sensitive_features: Mapping[str, np.ndarray]
    example_ids: np.ndarray
    group_ids: np.ndarray

    @property
    def y_pred(self) -> np.ndarray:
        return self.y_prob.argmax(1)

    def save(self, path: Path) -> None:
        features = {FEATURE + name: column.astype(str) for name, column in self.sensitive_features.items()}
        own = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "sensitive_features"}
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, **own, **features)

    @classmethod
    def load(cls, path: Path, made_by: str) -> "Predictions":
        """Reads what `save` wrote; a missing file raises UserError naming the command that makes it."""
        if not path.exists():
            raise UserError(f"{path} is missing: run `{made_by}` first")
        with np.load(path, allow_pickle=False) as arrays:
            features = {n.removeprefix(FEATURE): arrays[n] for n in arrays.files if n.startswith(FEATURE)}
            own = {name: arrays[name] for name in arrays.files if not name.startswith(FEATURE)}
        return cls(sensitive_features=features, **own)


@dataclass(frozen=True)
class TrainingRun:
    """One finished training.

    Attributes:
        name: folder name, e.g. "resnet18".
        config: the TrainingConfig and builder arguments it was trained with.
        seed: of weights, order and augmentation.
        history: metric name -> value by epoch.
        metrics: "train_..." and "validation_..." scores of the restored weights.
        model_path: the saved .keras file (output: logits).
        seconds: of training, without evaluation.
        versions: library -> version.
        predictions: split name -> predictions file.
        diverged: where and why training broke; its weights are then those of the last good epoch. None: it did not.
    """

    name: str
    config: dict[str, Any]
    seed: int
    history: dict[str, list[float]]
    metrics: dict[str, float]
    model_path: Path
    seconds: float
    versions: dict[str, str]
    parameters: int
    best_epoch: int
    predictions: dict[str, Path] = field(default_factory=dict)
    diverged: str | None = None

    def save(self, folder: Path) -> None:
        """Writes run.json into `folder`; paths are stored relative to it, so the folder can be moved."""
        plain = dataclasses.asdict(self)
        plain["model_path"] = self.model_path.name
        plain["predictions"] = {split: path.name for split, path in self.predictions.items()}
        write_json(folder / "run.json", plain)

    @classmethod
    def load(cls, folder: Path, made_by: str) -> "TrainingRun":
        plain = read_json(folder / "run.json", made_by)
        plain["model_path"] = folder / plain["model_path"]
        plain["predictions"] = {split: folder / name for split, name in plain["predictions"].items()}
        return cls(**plain)
