"""What TensorBoard shows of a run: curves per epoch, gradients, the model graph, figures, PR curves, hyperparameters.

Each callback and each `write_*` call has its own event file, flushed when it returns. TensorBoard reads a folder's
event files one after the other, so two that are written at the same time belong in two folders.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras.callbacks import Callback
from tensorboard.compat.proto.summary_pb2 import SummaryMetadata
from tensorboard.plugins import projector
from tensorboard.plugins.graph.keras_util import keras_model_to_graph_def
from tensorboard.plugins.hparams import api as hparams_api
from tensorboard.plugins.hparams import api_pb2 as hparams_pb2
from tensorboard.plugins.hparams import summary as hparams_summary
from tensorboard.plugins.pr_curve import summary as pr_curve_summary

from tfhealth.paths import write_text as write_file
from tfhealth.training.gradients import GradientTracker


class EpochLogger(Callback):
    """Writes the model graph once, and loss, metrics and learning rate after every epoch.

        <log_dir>/train         graph, epoch_loss, epoch_<metric>, epoch_learning_rate
        <log_dir>/validation    epoch_loss, epoch_<metric>

    Logs named train_<metric> are measured as val_<metric> are (see fit.Evaluation) and share its chart; the loss that
    the optimizer saw, on augmented images and with penalties, is then `epoch_objective`.
    Step = epoch, so a run resumed with `initial_epoch` continues its curves. Folders and tags are those of
    `keras.callbacks.TensorBoard`, which is not used because it works after every batch even when it writes per epoch
    (0.2 ms per metric), draws weight histograms in 0.6 GB, and flushes too late for a run that is killed.
    """

    def __init__(self, log_dir: Path | str) -> None:
        super().__init__()
        self.log_dir = Path(log_dir)
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def on_train_begin(self, logs=None):
        if is_graph_of_layers(self.model):
            write_graph(self.log_dir / "train", self.model)

    def on_epoch_end(self, epoch, logs=None):
        logs = dict(logs or {})
        validation, train = (
            {name.removeprefix(prefix): logs.pop(name) for name in list(logs) if name.startswith(prefix)}
            for prefix in ("val_", "train_")
        )
        if "loss" in train:
            logs["objective"] = logs.pop("loss")
        self._write("train", logs | train | learning_rates(self.model.optimizer), epoch)
        self._write("validation", validation, epoch)

    def on_train_end(self, logs=None):
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _write(self, split: str, values: Mapping[str, float], epoch: int) -> None:
        if not values:
            return
        if split not in self._writers:
            self._writers[split] = tf.summary.create_file_writer(str(self.log_dir / split))
        with self._writers[split].as_default(epoch):
            for name, value in values.items():
                tf.summary.scalar(f"epoch_{name}", value)
        self._writers[split].flush()


class SampleLogger(Callback):
    """Writes one picture after every epoch, as `samples`; step = epoch.

    Args:
        log_dir: the folder of the event file.
        draw: makes the picture, (height, width, 3) uint8, of what the model has learnt so far.
    """

    def __init__(self, log_dir: Path | str, draw: Callable[[], np.ndarray]) -> None:
        super().__init__()
        self.log_dir, self.draw = log_dir, draw

    def on_epoch_end(self, epoch, logs=None):
        write_image(self.log_dir, "samples", self.draw(), epoch)


def tracking_callbacks(log_dir: Path | str, *, gradients: bool, every_steps: int = 10) -> list[Callback]:
    """Returns the callbacks that log one `fit` below `log_dir`: train/, validation/ and, if asked for, gradients/."""
    callbacks: list[Callback] = [EpochLogger(log_dir)]
    if gradients:
        callbacks.append(GradientTracker(Path(log_dir) / "gradients", every_steps))
    return callbacks


def learning_rates(optimizer: keras.Optimizer) -> dict[str, float]:
    """Returns {"learning_rate": current value}; one "learning_rate_<name>" per part of a MultiOptimizer."""
    if hasattr(optimizer, "optimizers"):
        return {f"learning_rate_{part.name}": _value(part.learning_rate) for part in optimizer.optimizers}
    return {"learning_rate": _value(optimizer.learning_rate)}


def is_graph_of_layers(model: keras.Model) -> bool:
    """Returns whether `model` is functional or sequential, the two kinds TensorBoard can draw."""
    return isinstance(model, keras.Sequential) or hasattr(model, "operations")


def write_graph(log_dir: Path | str, model: keras.Model) -> None:
    """Writes the layers of a functional or sequential model and their connections, for the Graphs tab.

    Twice: as the graph that the tab opens with, and as its "conceptual graph" (tag `keras`).

    Raises:
        ValueError: the model is a subclass with its own `call`, which has no graph of layers.
    """
    if not is_graph_of_layers(model):
        raise ValueError(f"model {model.name!r} is neither functional nor sequential: it has no graph of layers")
    plugin = SummaryMetadata.PluginData(plugin_name="graph_keras_model", content=b"1")
    with _writing(log_dir):
        tf.summary.write("keras", model.to_json(), step=0, metadata=SummaryMetadata(plugin_data=plugin))
        layers = keras_model_to_graph_def(_without_constants(json.loads(model.to_json())))
        tf.summary.graph(tf.compat.v1.GraphDef.FromString(layers.SerializeToString()))


def _without_constants(model: dict) -> dict:
    """Returns a model's JSON without the plain numbers that operations take, which TensorBoard's reader trips over."""
    for layer in model["config"]["layers"]:
        for node in layer.get("inbound_nodes", ()):
            node["args"] = [_dicts(arg) for arg in node["args"] if isinstance(arg, (dict, list))]
    return model


def _dicts(arg):
    return [item for item in arg if isinstance(item, dict)] if isinstance(arg, list) else arg


def write_text(log_dir: Path | str, tag: str, markdown: str, step: int) -> None:
    """Writes Markdown for the Text tab."""
    with _writing(log_dir):
        tf.summary.text(tag, markdown, step=step)


def write_image(log_dir: Path | str, tag: str, image: np.ndarray, step: int) -> None:
    """Writes one picture, (height, width, 3) uint8.

    Raises:
        ValueError: another shape or dtype.
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"{tag}: an image is (height, width, 3) uint8, got {image.shape} {image.dtype}")
    with _writing(log_dir):
        tf.summary.image(tag, image[None], step=step)


def write_png(log_dir: Path | str, tag: str, path: Path | str, step: int) -> None:
    """Writes a PNG file, such as a figure, as a picture; transparency is dropped."""
    write_image(log_dir, tag, tf.io.decode_png(Path(path).read_bytes(), channels=3).numpy(), step)


def write_pr_curves(
    log_dir: Path | str, y_true: np.ndarray, y_prob: np.ndarray, class_names: Sequence[str], step: int
) -> list[str]:
    """Writes one precision-recall curve per class, that class against the rest, as `<class name>/pr_curves`.

    Args:
        log_dir: the folder of the event file.
        y_true: (n,) int class ids.
        y_prob: (n, num_classes) probabilities.
        class_names: (num_classes,) names, in the order of the columns.
        step: the step in TensorBoard.

    Returns:
        The classes left out because y_true has no example of them: their recall is undefined.

    Raises:
        ValueError: the three do not fit together, or a probability is outside [0, 1].
    """
    y_true, y_prob = np.asarray(y_true), np.asarray(y_prob)
    if y_prob.shape != (len(y_true), len(class_names)):
        raise ValueError(f"y_prob is {y_prob.shape}, expected ({len(y_true)}, {len(class_names)}): (examples, classes)")
    if not (np.all(y_prob >= 0) and np.all(y_prob <= 1 + 1e-6)):
        raise ValueError("y_prob has values outside [0, 1]")
    present = [k for k in range(len(class_names)) if np.any(y_true == k)]
    with _writing(log_dir):
        for k in present:
            curve = pr_curve_summary.pb(str(class_names[k]), y_true == k, np.minimum(y_prob[:, k], 1.0))
            tf.summary.experimental.write_raw_pb(curve.SerializeToString(), step=step)
    return [str(name) for k, name in enumerate(class_names) if k not in present]


def write_report(
    log_dir: Path | str,
    folder: Path,
    figures: Mapping[str, str],
    text: str,
    y_true: np.ndarray,
    y_prob: np.ndarray,
    class_names: Sequence[str],
) -> None:
    """Writes a part's figures (name -> PNG file in `folder`), its written analysis and its precision-recall curves."""
    for name, file in figures.items():
        write_png(log_dir, f"figures/{name}", folder / file, step=0)
    write_pr_curves(log_dir, y_true, y_prob, class_names, step=0)
    write_text(log_dir, "analysis", text, step=0)


def write_embeddings(
    log_dir: Path | str, vectors: np.ndarray, labels: Sequence[str], *, name: str = "documents"
) -> None:
    """Writes points for the Projector tab: tensors.tsv, metadata.tsv and projector_config.pbtxt, in this folder.

    Args:
        log_dir: a folder of its own.
        vectors: (n, width), n up to about 10,000.
        labels: (n,) what colours the points, such as the class; never a text.
        name: of what the points are.
    """
    folder = Path(log_dir)
    write_file(folder / "tensors.tsv", "\n".join("\t".join(f"{x:.5g}" for x in row) for row in vectors) + "\n")
    write_file(folder / "metadata.tsv", "\n".join(labels) + "\n")
    config = projector.ProjectorConfig()
    config.embeddings.add(tensor_name=name, tensor_path="tensors.tsv", metadata_path="metadata.tsv")
    projector.visualize_embeddings(str(folder), config)


def write_hparams(
    log_dir: Path | str, hparams: Mapping[str, bool | int | float | str], metrics: Mapping[str, float]
) -> None:
    """Writes one finished trial for the HParams tab: its hyperparameters, and its metrics as scalars at step 0.

    Trials with equal hyperparameters (other seeds) become one group. Each trial needs a `log_dir` of its own.

    Raises:
        ValueError: a hyperparameter is not a bool, int, float or str.
    """
    for name, value in hparams.items():
        if not isinstance(value, (bool, int, float, str, np.generic)):
            raise ValueError(f"hyperparameter {name!r} is {value!r}: TensorBoard takes bool, int, float and str only")
    now = time.time()
    start = hparams_api.hparams_pb(dict(hparams), start_time_secs=now)
    end = hparams_summary.session_end_pb(hparams_pb2.STATUS_SUCCESS, end_time_secs=now)
    with _writing(log_dir):
        tf.summary.experimental.write_raw_pb(start.SerializeToString(), step=0)
        for name, value in metrics.items():
            tf.summary.scalar(name, value, step=0)
        tf.summary.experimental.write_raw_pb(end.SerializeToString(), step=0)


@contextmanager
def _writing(log_dir: Path | str) -> Iterator[None]:
    """Opens an event file in `log_dir` as the current writer; whole and closed when the block ends."""
    writer = tf.summary.create_file_writer(str(log_dir))
    try:
        with writer.as_default():
            yield
    finally:
        writer.close()


def _value(scalar) -> float:
    return float(tf.convert_to_tensor(scalar).numpy())  # not keras.ops: its conversion warns under numpy 2
