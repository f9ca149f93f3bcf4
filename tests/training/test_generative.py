"""Both image models, on images so small that a training takes seconds."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tfhealth.config_part3 import GANTraining, VAETraining
from tfhealth.data.dataset import DatasetBundle, DatasetCard, Rows, Split
from tfhealth.errors import UserError
from tfhealth.models.resnet import resnet8
from tfhealth.training import gan, generative, vae
from tfhealth.training.divergence import StopOnDivergence, cause_of_divergence

VAE = VAETraining(
    epochs=4, width=4, latent=6, batch_size=16, beta=0.1, annealing=0.5, free_bits=0.05, feature_weight=1.0,
    class_weight=0.1,
)  # fmt: skip
GAN = GANTraining(epochs=4, width=4, latent=6, batch_size=16)


def make_split(n, seed):
    """Discs of two brightnesses, one a class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n).astype(np.int32)
    rows, columns = np.mgrid[:16, :16]
    place = rng.uniform(5, 11, (n, 2, 1, 1))
    inside = (rows - place[:, 0]) ** 2 + (columns - place[:, 1]) ** 2 < 16
    images = np.where(inside, 200 - 100 * y[:, None, None], 230)[..., None] + rng.integers(0, 5, (n, 16, 16, 3))
    ids = np.array([f"{seed}-{i}" for i in range(n)])
    return Split(Rows(images.astype(np.uint8)), y, ids, ids)


CARD = DatasetCard("discs", "discs", "image", ("pale", "dark"), "none", "none")
BUNDLE = DatasetBundle(CARD, make_split(64, 1), make_split(24, 2), make_split(24, 3))


def guide():
    keras.utils.set_random_seed(5)
    return resnet8((None, None, 3), 2, width=2)


def run(folder, config=VAE, **more):
    options = {"seed": 3, "folder": folder, "log_dir": folder / "logs", **more}
    if isinstance(config, GANTraining):
        return gan.train_gan("toy", BUNDLE, config, **options)
    return vae.train_vae("toy", BUNDLE, config, guide(), **options)


@pytest.fixture(scope="module", params=[VAE, GAN], ids=["VAE", "GAN"])
def finished(request, tmp_path_factory):
    return run(tmp_path_factory.mktemp("finished"), request.param)


def config_of(training_run):
    return VAE if "beta" in training_run.config else GAN


def weights(training_run):
    paths = sorted(training_run.model_path.parent.glob("*.keras"))
    return [w for path in paths for w in keras.saving.load_model(path, compile=False).get_weights()]


class KilledError(Exception):
    """Stands for a kill: nothing in the package catches it."""


def broken_after(epoch, monkeypatch, error=None, value=None):
    """Lets the guard see a kill, or a broken loss, in the second step of that epoch (counted from 1)."""
    plain = StopOnDivergence.on_train_batch_end

    def on_train_batch_end(self, batch, logs=None):
        if self._epoch == epoch and batch == 1:
            if error is not None:
                raise error
            logs = {**logs, next(iter(self.limits)): value}
        plain(self, batch, logs)

    monkeypatch.setattr(StopOnDivergence, "on_train_batch_end", on_train_batch_end)


def test_killed_training_ends_with_the_very_weights_of_an_undisturbed_one(finished, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        broken_after(3, patch, error=KilledError())
        with pytest.raises(KilledError):
            run(tmp_path, config_of(finished))
    assert not (tmp_path / "run.json").exists()
    resumed = run(tmp_path, config_of(finished))
    assert resumed.history == finished.history
    for first, second in zip(weights(finished), weights(resumed), strict=True):
        np.testing.assert_array_equal(first, second)
    assert not (tmp_path / "state.npz").exists()


@pytest.mark.parametrize("value", [float("nan"), 1e9])
def test_broken_loss_stops_with_epoch_and_cause_and_the_last_good_weights(finished, tmp_path, monkeypatch, value):
    config = config_of(finished)
    broken_after(3, monkeypatch, value=value)
    stopped = run(tmp_path / "broken", config)
    assert "epoch 3, step 2" in stopped.diverged
    assert ("not a finite number" if value != value else "beyond") in stopped.diverged
    assert stopped.best_epoch == 2
    assert stopped.history == {name: values[:2] for name, values in finished.history.items()}
    assert all(np.isfinite(w).all() for w in weights(stopped))


def test_training_that_breaks_in_its_first_epoch_is_one_clear_line(tmp_path, monkeypatch):
    broken_after(1, monkeypatch, value=float("nan"))
    with pytest.raises(UserError, match=r"epoch 1, step 2.*no good weights"):
        run(tmp_path)


def test_finished_training_is_loaded_not_repeated(finished, monkeypatch):
    monkeypatch.setattr(generative, "adam", lambda *_: pytest.fail("trained again"))
    assert run(finished.model_path.parent, config_of(finished)) == finished


def test_train_step_moves_every_trainable_weight_and_no_weight_of_the_guide(tmp_path):
    teacher = guide()
    before = teacher.get_weights()
    model = vae._build(BUNDLE, VAE, teacher, 0)
    step(model, VAE)
    for first, second in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
    model = gan._build(BUNDLE, GAN, 0)
    # While all scores lie within the hinge, what real images ask of this bias is what made ones forbid.
    model.discriminator.get_layer("realness_spectral").layer.bias.assign([1.5])
    step(model, GAN)


def batch():
    arrays = BUNDLE.train.x.take(slice(0, 16)), np.eye(2)[BUNDLE.train.y[:16]]
    return tuple(keras.ops.convert_to_tensor(array, "float32") for array in arrays)


def step(model, config):
    optimizer = generative.adam(replace(config, weight_average=0.0))
    model.compile(optimizer, jit_compile=False)
    optimizer.build(model.trainable_variables)
    before = [v.numpy() for v in model.trainable_variables]
    for _ in range(3):
        model.train_step(batch())
    for variable, old in zip(model.trainable_variables, before, strict=True):
        assert np.abs(variable.numpy() - old).max() > 0, variable.path


def test_reconstruction_error_falls_and_the_kl_is_logged(tmp_path):
    unguided = replace(
        VAE, width=8, epochs=20, learning_rate=5e-3, weight_average=0.0, feature_weight=0, class_weight=0
    )
    history = run(tmp_path, unguided).history
    assert history["val_reconstruction"][-1] < 0.8 * history["val_reconstruction"][0]  # that of the mean colour
    assert history["beta"][:2] + history["beta"][-1:] == pytest.approx([0, 0.01, 0.1])  # float32
    assert len(history["kl"]) == len(history["val_kl"]) == 20


def test_free_bits_charge_nothing_below_their_amount_and_the_whole_kl_above():
    plain, free = (
        vae._build(BUNDLE, replace(VAE, free_bits=bits, feature_weight=0.0, class_weight=0.0), None, 0)
        for bits in (0.0, 50.0)
    )
    images, classes = batch()
    for model in (plain, free):
        model.beta.assign(1.0)
    terms = plain.terms(images, classes)
    assert float(terms["loss"]) == pytest.approx(float(terms["reconstruction"] + terms["kl"]), rel=1e-5)
    terms = free.terms(images, classes)
    assert float(terms["loss"]) == pytest.approx(float(terms["reconstruction"]) + 6 * 50, rel=1e-5)


def test_signal_to_noise_by_hand():
    real = Split(Rows(np.full((1, 4, 4, 3), 100, np.uint8)), np.zeros(1, np.int32), *(np.array(["a"]),) * 2)
    made = np.full((1, 4, 4, 3), 110, np.uint8)
    assert vae.signal_to_noise(real, made)[0] == pytest.approx(20 * np.log10(25.5))


def test_tensorboard_has_curves_samples_and_graphs(finished):
    logs = finished.model_path.parent / "logs"
    wanted = {"epoch_kl"} if config_of(finished) is VAE else {"epoch_discriminator_loss", "epoch_generator_loss"}
    assert wanted <= tags(logs / "train")
    assert "samples" in tags(logs / "samples")
    assert len(list((logs / "samples").glob("events.*"))) == 4
    assert "keras" in tags(logs / finished.model_path.stem)


def tags(folder):
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return {tag for names in accumulator.Tags().values() if isinstance(names, list) for tag in names}


def test_in_batches_gives_each_row_its_own_answer_whatever_the_number(finished):
    maker = keras.saving.load_model(finished.model_path, compile=False)
    z, classes = np.random.default_rng(0).normal(size=(130, 6)), generative.one_hot(np.arange(130) % 2, 2)
    whole = generative.make_images(maker, z, classes)
    assert whole.shape == (130, 16, 16, 3)
    np.testing.assert_allclose(whole[128:], generative.make_images(maker, z[128:], classes[128:]), atol=1)  # rounding


def test_tiles_stand_in_reading_order():
    images = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    np.testing.assert_array_equal(generative.tiled(images, 2)[::2, ::2, 0], [[0, 1], [2, 3]])
    Image.fromarray(generative.tiled(images, 2))


def test_cause_of_divergence_names_the_value_and_its_limit():
    assert cause_of_divergence({"kl": 1.0}, {"kl": 2.0}) is None
    assert cause_of_divergence({"kl": -3.0}, {"kl": 2.0}) == "kl is -3, beyond 2"
    assert cause_of_divergence({"fake_score": float("inf")}, {}) == "fake score is not a finite number"
