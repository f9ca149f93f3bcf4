from dataclasses import replace

import keras
import numpy as np
import pytest

from tfhealth.compression.distill import DistillationLoss, TeacherFeed, distill
from tfhealth.config import DistillationTraining
from tfhealth.data.dataset import DatasetBundle, DatasetCard, Rows, Split
from tfhealth.data.image_pipeline import ImageFeed, reduce_images
from tfhealth.data.orientations import oriented
from tfhealth.models.resnet import resnet8
from tfhealth.training.losses import LogitAdjustedCrossentropy

CONFIG = DistillationTraining(epochs=2, batch_size=16, warmup_epochs=0)
SHARES = [0.25, 0.75]
LABELS = np.float32([[1, 0], [0, 1]])
TEACHER = np.float32([[2, -1], [0, 3]])
STUDENT = np.float32([[1, 1], [-1, 0]])


def loss_of(temperature, mixing, teacher=TEACHER, student=STUDENT, **more):
    loss = DistillationLoss(SHARES, temperature, mixing, **more)
    return np.asarray(loss.call(np.concatenate([LABELS, teacher], axis=1), keras.ops.convert_to_tensor(student)))


def make_split(n, seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n).astype(np.int32)
    images = rng.integers(0, 120, (n, 16, 16, 3)) + 90 * y[:, None, None, None]
    ids = np.array([f"{seed}-{i}" for i in range(n)])
    return Split(Rows(images.astype(np.uint8)), y, ids, ids)


@pytest.fixture(scope="module")
def bundle():
    card = DatasetCard("toy", "Toy", "image", ("dark", "bright"), "CC0-1.0", "Nobody 2026")
    return DatasetBundle(card, make_split(32, 1), make_split(16, 2), make_split(16, 3))


@pytest.fixture(scope="module")
def teacher():
    keras.utils.set_random_seed(0)
    return resnet8((None, None, 3), 2, width=8)


def test_loss_is_the_formula_of_hinton_written_out():
    soft = lambda logits: np.exp(logits / 3) / np.exp(logits / 3).sum(1, keepdims=True)  # noqa: E731
    known, learned = soft(TEACHER), soft(STUDENT)
    hard = -np.log(np.exp(STUDENT)[[0, 1], [0, 1]] / np.exp(STUDENT).sum(1))
    expected = 0.3 * hard + 0.7 * 9 * (known * np.log(known / learned)).sum(1)
    np.testing.assert_allclose(loss_of(3, 0.7), expected, rtol=1e-5)  # float32


def test_loss_without_a_teacher_is_the_usual_one():
    expected = LogitAdjustedCrossentropy(SHARES, 0.5, 0.1).call(LABELS, keras.ops.convert_to_tensor(STUDENT))
    np.testing.assert_allclose(loss_of(4, 0.0, tau=0.5, label_smoothing=0.1), np.asarray(expected), rtol=1e-6)


def test_student_that_answers_like_its_teacher_has_no_loss():
    np.testing.assert_allclose(loss_of(2, 1.0, student=TEACHER), 0, atol=1e-6)


@pytest.mark.parametrize(("temperature", "mixing"), [(0, 0.5), (-1, 0.5), (1, 1.1), (1, -0.1)])
def test_impossible_settings_are_refused(temperature, mixing):
    with pytest.raises(ValueError, match="temperature"):
        DistillationLoss(SHARES, temperature, mixing)


def test_loss_survives_its_configuration():
    loss = DistillationLoss(SHARES, 3, 0.7, tau=0.5, label_smoothing=0.1)
    assert DistillationLoss.from_config(loss.get_config()).get_config() == loss.get_config()


def lessons(feed, split, epochs, *, batch_size=16):
    """Returns the images (n, side, side, channels) and labels of each epoch."""
    made = [list(feed.training(split, batch_size=batch_size, seed=0, epochs=[epoch])) for epoch in epochs]
    return [tuple(np.concatenate(column) for column in zip(*epoch, strict=True)) for epoch in made]


def in_one_order(images, labels):
    order = np.lexsort(images.reshape(len(images), -1).T)
    return images[order], labels[order]


def test_teacher_answers_for_the_augmented_image_that_the_student_sees_in_all_orientations(bundle, teacher):
    feed = TeacherFeed(ImageFeed.of(CONFIG, 2), teacher, distinct=3)
    plain, labels = in_one_order(*lessons(feed.feed, bundle.train, [0])[0])
    images, both = lessons(feed, bundle.train, [0])[0]
    views = [teacher(np.ascontiguousarray(oriented(images, o)), training=False) for o in range(8)]
    np.testing.assert_allclose(both[:, 2:], np.mean(views, axis=0), atol=1e-4)  # other batches of sums
    images, both = in_one_order(images, both)
    np.testing.assert_array_equal(images, in_one_order(np.rint(plain), labels)[0])
    assert sorted(map(tuple, both[:, :2])) == sorted(map(tuple, labels))


def test_epochs_after_the_distinct_ones_show_their_images_in_the_next_orientation(bundle, teacher, monkeypatch):
    feed = TeacherFeed(ImageFeed.of(CONFIG, 2), teacher, distinct=2)
    epochs = lessons(feed, bundle.train, range(18))
    for number, (images, labels) in enumerate(epochs):
        first, same = epochs[number % 2]
        turned = oriented(first, number // 2 % 8)
        for one, other in zip(in_one_order(images, labels), in_one_order(turned, same), strict=True):
            np.testing.assert_array_equal(one, other)
    assert (epochs[0][1] != epochs[16][1]).any()  # in other batches
    assert set(epochs[0][1][:, 2]).isdisjoint(epochs[1][1][:, 2])  # of other images
    monkeypatch.setattr(TeacherFeed, "_prepare", lambda _, numbers, *__: numbers and pytest.fail("asked again"))
    resumed = feed.training(bundle.train, batch_size=16, seed=0, epochs=range(1, 4))
    for one, other in zip(zip(*resumed, strict=True), zip(*epochs[1:4], strict=True), strict=True):
        np.testing.assert_array_equal(np.concatenate(one), np.concatenate(other))


def test_small_images_are_the_same_ones_and_answered_at_full_size(bundle, teacher):
    configs = (replace(CONFIG, resolutions=((8, 1.0),)), CONFIG)
    (small, labels), (images, same) = (
        lessons(TeacherFeed(ImageFeed.of(config, 2), teacher, 2), bundle.train, [0])[0] for config in configs
    )
    np.testing.assert_allclose(small, reduce_images(images, 8), atol=1e-3)
    np.testing.assert_array_equal(labels, same)


def test_split_smaller_than_a_batch_is_one_batch(bundle, teacher):
    feed = TeacherFeed(ImageFeed.of(CONFIG, 2), teacher, 1)
    images, labels = lessons(feed, bundle.validation, [0], batch_size=64)[0]
    assert (images.shape, labels.shape) == ((16, 16, 16, 3), (16, 4))


@pytest.mark.parametrize(("distinct", "resolutions"), [(0, ()), (5, ((8, 0.5),))])
def test_no_distinct_epoch_and_images_that_grow_are_refused(distinct, resolutions, teacher):
    config = DistillationTraining(epochs=4, resolutions=resolutions)
    with pytest.raises(ValueError, match="epoch"):
        TeacherFeed(ImageFeed.of(config, 2), teacher, distinct)


def test_best_pair_on_validation_is_taken_and_finished_trainings_are_loaded(bundle, teacher, tmp_path, monkeypatch):
    def run():
        return distill(
            teacher,
            lambda config: resnet8((None, None, 3), 2, width=4, dropout=config.dropout),
            bundle,
            lambda config: ImageFeed.of(config, 2),
            CONFIG,
            temperatures=(2.0, 5.0),
            mixings=(0.5,),
            trial=replace(CONFIG, epochs=1),
            seed=0,
            folder=tmp_path,
            log_dir=tmp_path / "logs",
        )

    before = [weight.numpy() for weight in teacher.weights]
    found = run()
    for weight, earlier in zip(teacher.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), earlier)
    best = min(found.trials, key=lambda row: row["validation_log_loss"])
    assert (found.config.temperature, found.config.mixing) == (best["temperature"], best["mixing"])
    assert found.run.config["temperature"] == best["temperature"]
    assert len(found.run.history["val_loss"]) == CONFIG.epochs
    monkeypatch.setattr(TeacherFeed, "training", lambda *_, **__: pytest.fail("trained again"))
    again = run()
    assert (again.run, again.trials) == (found.run, found.trials)


def test_empty_grid_is_refused(bundle, teacher, tmp_path):
    with pytest.raises(ValueError, match="grid"):
        distill(
            teacher, None, bundle, None, CONFIG, temperatures=(), mixings=(0.5,), trial=CONFIG, seed=0,
            folder=tmp_path, log_dir=tmp_path,
        )  # fmt: skip


def test_batches_of_two_sizes_are_refused(bundle, teacher, tmp_path):
    with pytest.raises(ValueError, match="16 and 8"):
        distill(
            teacher, None, bundle, None, replace(CONFIG, batch_size=8), temperatures=(2.0,), mixings=(0.5,),
            trial=CONFIG, seed=0, folder=tmp_path, log_dir=tmp_path,
        )  # fmt: skip
