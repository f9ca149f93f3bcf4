"""A training's whole state on disk after every epoch, so that a killed run goes on bit for bit where it stopped."""

import json
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfhealth.paths import atomic_path

STOPPING_FIELDS = ("wait", "best", "best_epoch", "stopped_epoch")


class Checkpoint(keras.callbacks.Callback):
    """Saves weights, optimizer, seed generators, early stopping and history to one .npz after each epoch.

    Keras's BackupAndRestore keeps neither seed generators nor early stopping's counters, and its writes are not
    atomic (STACK.md). Give it to `fit` after `stopping`, call `restore()` first, and pass `epochs_done` as
    `initial_epoch`.

    Args:
        path: the .npz file.
        stopping: the EarlyStopping of the same `fit`; its counters and best weights are part of the state.
        journal: a list that other callbacks append JSON values to; restored in place.
    """

    def __init__(self, path: Path, stopping: keras.callbacks.EarlyStopping, journal: list | None = None):
        super().__init__()
        self.path = path
        self.stopping = stopping
        self.journal = [] if journal is None else journal
        self.epochs_done = 0
        self.seconds = 0.0
        self.finished = False
        self.history: dict[str, list[float]] = {}
        self._stopping_state: dict[str, Any] | None = None

    def restore(self, model: keras.Model) -> None:
        """Loads the state into a compiled `model` if the file exists; otherwise leaves it as it is."""
        if not self.path.exists():
            return
        with np.load(self.path, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            state = {name: arrays[name] for name in arrays.files}
        self.epochs_done, self.seconds = about["epochs_done"], about["seconds"]
        self.history = about["history"]
        self.journal[:] = about["journal"]
        best = []
        if self.stopping.restore_best_weights:  # else this training goes on where a stopped one ended
            self.finished = about["finished"]
            best = [state[f"best{i}"] for i in range(about["best_weights"])]
        self._stopping_state = {**about["stopping"], "best_weights": best or None}
        self._restore_stopping()
        model.optimizer.build(model.trainable_variables)
        for name, variable in _state(model).items():
            variable.assign(state[name])

    @property
    def best_weights(self) -> list[np.ndarray] | None:
        """The weights to restore; None before the first epoch that early stopping looked at."""
        return self.stopping.best_weights

    @property
    def best_epoch(self) -> int:
        """The epoch, counted from 1, whose weights the run keeps."""
        return self.stopping.best_epoch + 1 if self.stopping.restore_best_weights else self.epochs_done

    def on_train_begin(self, logs=None):
        self._clock = time.monotonic()
        self._restore_stopping()  # EarlyStopping.on_train_begin, which ran before, forgets everything

    def on_epoch_end(self, epoch, logs=None):
        now = time.monotonic()
        self.seconds, self._clock = self.seconds + now - self._clock, now
        self.epochs_done = epoch + 1
        self.finished = bool(self.model.stop_training)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        self._write()

    def _restore_stopping(self) -> None:
        for name, value in (self._stopping_state or {}).items():
            setattr(self.stopping, name, value)

    def _write(self) -> None:
        best = self.stopping.best_weights or []
        about = {
            "epochs_done": self.epochs_done,
            "seconds": self.seconds,
            "finished": self.finished,
            "history": self.history,
            "journal": self.journal,
            "stopping": {name: _number(getattr(self.stopping, name)) for name in STOPPING_FIELDS},
            "best_weights": len(best),
        }
        state = {name: variable.numpy() for name, variable in _state(self.model).items()}
        state |= {f"best{i}": array for i, array in enumerate(best)}
        with atomic_path(self.path) as temporary:
            np.savez(temporary, about=json.dumps(about), **state)


def epochs_done(path: Path) -> int:
    """Returns the epochs that a checkpoint has behind it; 0 where there is none."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return json.loads(str(arrays["about"]))["epochs_done"]
    except FileNotFoundError:
        return 0


def _number(value):
    return value if value is None else float(value) if isinstance(value, (float, np.floating)) else int(value)


def _state(model: keras.Model) -> dict[str, keras.Variable]:
    """Returns every variable a training step reads: weights, statistics, seed generators, optimizer."""
    owners = {"model": model.variables, "optimizer": model.optimizer.variables}
    return {f"{owner}{i}": v for owner, variables in owners.items() for i, v in enumerate(variables)}
