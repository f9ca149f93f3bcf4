import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from tfhealth.config import ImageTraining
from tfhealth.data.dataset import Rows, Split
from tfhealth.data.image_pipeline import ImageFeed
from tfhealth.models.resnet import resnet8
from tfhealth.training import fit
from tfhealth.training.fit import train
from tfhealth.training.predict import mirrored_logits, predict_logits, softmax
from tfhealth.training.record import Predictions, TrainingRun

CONFIG = ImageTraining(epochs=4, batch_size=16, dropout=0.2, mixup=0.2, patience=2)


def make_split(n, seed):
    """Two classes told apart by brightness, so a few steps learn something."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n).astype(np.int32)
    images = rng.integers(0, 120, (n, 16, 16, 3)) + 90 * y[:, None, None, None]
    ids = np.array([f"{seed}-{i}" for i in range(n)])
    return Split(Rows(images.astype(np.uint8)), y, ids, ids, {"sex": np.where(y == 1, "female", "male")})


TRAIN, VALIDATION = make_split(64, 1), make_split(32, 2)
FEED = ImageFeed(2)


def build(config):
    statistics = ([100.0] * 3, [60.0] * 3)
    return resnet8((None, None, 3), 2, width=4, dropout=config.dropout, l2=config.l2, pixel_statistics=statistics)


def run(folder, config=CONFIG, **more):
    options = {"num_classes": 2, "seed": 3, "folder": folder, "log_dir": folder / "logs"}
    return train("toy", build, TRAIN, VALIDATION, config, ImageFeed.of(config, 2), **(options | more))


class KilledError(Exception):
    """Stands for a kill: nothing in the package catches it."""


class KillAfter(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KilledError


@pytest.fixture(scope="module", params=[0.0, 0.9], ids=["last weights", "averaged weights"])
def finished(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    return run(folder, replace(CONFIG, weight_average=request.param), gradients=True)


def test_killed_training_ends_with_the_very_weights_of_an_undisturbed_one(finished, tmp_path, monkeypatch):
    plain = fit.tracking_callbacks
    killer = lambda log_dir, gradients: [KillAfter(2), *plain(log_dir, gradients=gradients)]  # noqa: E731
    monkeypatch.setattr(fit, "tracking_callbacks", killer)
    config = replace(CONFIG, weight_average=finished.config["weight_average"])
    with pytest.raises(KilledError):
        run(tmp_path, config, gradients=True)
    assert not (tmp_path / "run.json").exists()
    monkeypatch.setattr(fit, "tracking_callbacks", plain)
    resumed = run(tmp_path, config, gradients=True)
    assert resumed.history == finished.history
    for first, second in zip(weights(finished), weights(resumed), strict=True):
        np.testing.assert_array_equal(first, second)
    assert (tmp_path / "gradients.json").read_text() == (finished.model_path.parent / "gradients.json").read_text()


def weights(training_run):
    return keras.saving.load_model(training_run.model_path, compile=False).get_weights()


def test_finished_training_is_loaded_not_repeated(finished, monkeypatch):
    monkeypatch.setattr(fit, "compile_model", lambda *_: pytest.fail("trained again"))
    assert run(finished.model_path.parent) == finished


def test_saved_predictions_are_those_of_the_saved_model(finished):
    model = keras.saving.load_model(finished.model_path, compile=False)
    saved = Predictions.load(finished.predictions["validation"], "never")
    logits = predict_logits(model, FEED, VALIDATION)
    np.testing.assert_allclose(saved.y_prob[:, 1], 1 / (1 + np.exp(logits[:, 0] - logits[:, 1])), atol=1e-5)
    assert (saved.sensitive_features["sex"] == VALIDATION.sensitive_features["sex"]).all()


def test_best_epoch_has_the_lowest_validation_loss_and_its_weights_are_kept(finished):
    losses = finished.history["val_loss"]
    assert finished.best_epoch == int(np.argmin(losses)) + 1
    assert finished.metrics["validation_log_loss"] == pytest.approx(min(losses), abs=1e-4)  # float32, other batches


def test_early_stopping_ends_a_training_that_no_longer_improves(tmp_path):
    # A learning rate of zero: nothing improves after the first epoch.
    stopped = run(tmp_path, replace(CONFIG, epochs=30, learning_rate=0.0, patience=2, dropout=0.0))
    assert len(stopped.history["val_loss"]) < 30


@pytest.mark.parametrize(("stop_by", "best"), [("val_loss", min), ("val_accuracy", max)])
def test_epoch_with_the_best_score_is_kept(tmp_path, stop_by, best):
    found = run(tmp_path, replace(CONFIG, epochs=6, learning_rate=0.1, stop_by=stop_by))
    assert found.best_epoch == 1 + found.history[stop_by].index(best(found.history[stop_by]))
    kept = {"val_loss": "validation_log_loss", "val_accuracy": "validation_accuracy"}[stop_by]
    assert found.metrics[kept] == pytest.approx(best(found.history[stop_by]), abs=1e-4)


def test_run_record_names_versions_and_sizes(finished):
    plain = json.loads((finished.model_path.parent / "run.json").read_text())
    assert plain["versions"]["keras"] == keras.__version__
    assert plain["config"]["train_examples"] == 64
    assert plain["model_path"] == "model.keras"  # relative: the folder can be moved
    assert TrainingRun.load(finished.model_path.parent, "never") == finished


def test_saved_model_holds_no_optimizer(finished):
    assert getattr(keras.saving.load_model(finished.model_path), "optimizer", None) is None


def test_predictions_are_unchanged_by_the_order_and_number_of_examples(finished):
    model = keras.saving.load_model(finished.model_path, compile=False)
    some = np.array([5, 2, 9])
    np.testing.assert_allclose(
        predict_logits(model, FEED, VALIDATION.subset(some)), predict_logits(model, FEED, VALIDATION)[some], atol=1e-5
    )


def test_mirrored_logits_do_not_change_when_the_image_is_turned(finished):
    model = keras.saving.load_model(finished.model_path, compile=False)
    images = VALIDATION.x.take(slice(0, 4))
    turned = Split(Rows(np.rot90(images, 1, (1, 2)).copy()), *(VALIDATION.y[:4],), *(np.arange(4).astype(str),) * 2)
    np.testing.assert_allclose(
        mirrored_logits(model, FEED, turned), mirrored_logits(model, FEED, VALIDATION.subset(np.arange(4))), atol=1e-4
    )


def test_training_on_reduced_images_alone_is_scored_on_reduced_images(tmp_path):
    reduced = run(tmp_path, replace(CONFIG, epochs=2, resolutions=((8, 1.0),)))
    model = keras.saving.load_model(reduced.model_path, compile=False)
    saved = Predictions.load(reduced.predictions["validation"], "never").y_prob
    np.testing.assert_allclose(
        saved, softmax(predict_logits(model, ImageFeed(2, sides=(8,)), VALIDATION, epoch=0)), atol=1e-5
    )


def test_unstopped_training_keeps_its_last_weights_and_runs_all_epochs(tmp_path):
    unstopped = run(tmp_path, replace(CONFIG, early_stopping=False, learning_rate=0.5, epochs=5))
    assert len(unstopped.history["val_loss"]) == unstopped.best_epoch == 5
    assert unstopped.metrics["validation_log_loss"] == pytest.approx(unstopped.history["val_loss"][-1], abs=1e-4)


def test_going_on_from_a_stopped_run_ends_like_a_run_that_never_stopped(tmp_path):
    config = replace(CONFIG, epochs=8, patience=1, learning_rate=0.5)
    stopped = run(tmp_path / "stopped", config, keep_state=True)
    assert len(stopped.history["val_loss"]) < 8, "did not stop: the test shows nothing"
    state = tmp_path / "stopped/state.npz"
    unstopped = replace(config, early_stopping=False)
    gone_on = run(tmp_path / "gone_on", unstopped, go_on_from=state)
    whole = run(tmp_path / "whole", unstopped)
    assert gone_on.history == whole.history
    for first, second in zip(weights(gone_on), weights(whole), strict=True):
        np.testing.assert_array_equal(first, second)
    assert state.exists()
    assert not (tmp_path / "gone_on/state.npz").exists()
