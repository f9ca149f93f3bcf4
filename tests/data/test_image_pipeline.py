from dataclasses import replace

import numpy as np
import pytest

from tfhealth.config import ImageTraining
from tfhealth.data.dataset import DatasetBundle, DatasetCard, Rows, Split
from tfhealth.data.image_pipeline import Augmentation, ImageFeed, pixel_statistics
from tfhealth.errors import UserError


def split_of(n=20, side=8, seed=0):
    images = np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(n)  # its own number, to see which image came out
    ids = np.array([f"image{i}" for i in range(n)])
    return Split(Rows(images), np.arange(n, dtype=np.int32) % 3, ids, ids)


def batches(split, epochs=range(2), augmentation=None, sides=(), **more):
    options = {"batch_size": 4, "seed": 7, "epochs": epochs}
    return list(ImageFeed(3, augmentation, sides).training(split, **(options | more)).as_numpy_iterator())


def test_epoch_delivers_every_image_once_in_another_order_each_time():
    found = np.array([images[:, 0, 0, 0].astype(int) for images, _ in batches(split_of())])
    first, second = found[:5].ravel(), found[5:].ravel()
    assert sorted(first) == sorted(second) == list(range(20))
    assert (first != second).any()


def test_labels_belong_to_their_images():
    for images, labels in batches(split_of()):
        assert (labels.argmax(1) == images[:, 0, 0, 0] % 3).all()


def test_batches_depend_only_on_seed_and_epoch_so_a_run_can_resume():
    strong = Augmentation(strength=1.0, mixup=0.4)
    whole = batches(split_of(), range(3), strong)
    resumed = batches(split_of(), range(2, 3), strong)
    for (images, labels), (images_again, labels_again) in zip(whole[10:], resumed, strict=True):
        np.testing.assert_array_equal(images, images_again)
        np.testing.assert_array_equal(labels, labels_again)


def test_other_seed_gives_other_batches():
    assert not np.array_equal(batches(split_of())[0][0], batches(split_of(), seed=8)[0][0])


def test_augmented_images_differ_from_each_other_and_stay_in_range():
    same = Split(Rows(np.full((8, 8, 8, 3), 1, np.uint8) * np.arange(0, 64, dtype=np.uint8).reshape(8, 8, 1)),
                 np.zeros(8, np.int32), *(np.arange(8).astype(str),) * 2)  # fmt: skip
    images, _ = batches(same, range(1), Augmentation())[0]
    assert images.min() >= 0
    assert images.max() <= 255
    assert len(np.unique(images.round(3), axis=0)) == len(images)


def test_strength_zero_only_turns_and_mirrors():
    split = split_of()
    shown, _ = batches(split, range(1), Augmentation(strength=0.0, mixup=0.0))[0]
    originals = split.x.take(slice(0, 20)).astype(np.float32)
    laid = [np.rot90(side, k, (1, 2)) for side in (originals, originals[:, :, ::-1]) for k in range(4)]
    for image in shown:
        assert min(np.abs(image - view).max(axis=(1, 2, 3)).min() for view in laid) < 0.01  # resampling on the grid


def test_mixup_mixes_labels_as_it_mixes_images():
    black_and_white = Split(
        Rows(np.repeat(np.array([0, 255], np.uint8), 4)[:, None, None, None] * np.ones((8, 8, 8, 3), np.uint8)),
        np.repeat(np.array([0, 1], np.int32), 4),
        *(np.arange(8).astype(str),) * 2,
    )
    augmentation = Augmentation(strength=1.0, colour=0.0, mixup=1.0)
    for images, labels in batches(black_and_white, range(4), augmentation):
        np.testing.assert_allclose(images.mean((1, 2, 3)) / 255, labels[:, 1], atol=1e-5)  # float32


def test_reduced_epochs_come_first_and_average_pixels():
    found = batches(split_of(), sides=(4,))
    assert [images.shape[1] for images, _ in found] == [4] * 5 + [8] * 5
    plain = {int(images[0, 0, 0, 0]): images[0] for images, _ in batches(split_of(), range(1), batch_size=1)}
    small, _ = batches(split_of(), range(1), batch_size=1, sides=(4,))[0]
    expected = [image.reshape(4, 2, 4, 2, 3).mean((1, 3)) for image in plain.values()]
    assert min(np.abs(small[0] - image).max() for image in expected) < 0.01


def test_sides_grow_towards_full_size_and_the_last_phase_begins_at_the_last_size():
    config = ImageTraining(epochs=10, resolutions=((32, 0.5), (48, 0.2)))
    feed = ImageFeed.of(config, 3)
    assert feed.sides == (32,) * 5 + (48,) * 2 + (None,) * 3
    assert feed.last_phase == 7
    assert ImageFeed.of(replace(config, resolutions=((32, 1.0),)), 3).last_phase == 0
    assert ImageFeed(3).last_phase == 0


def test_evaluation_has_the_size_of_the_epoch_and_full_size_in_use():
    feed = ImageFeed(3, sides=(4, None))
    shapes = [next(feed.evaluation(split_of(), 8, epoch)).shape[1] for epoch in (0, 1, 2, None)]
    assert shapes == [4, 8, 8, 8]


def test_split_smaller_than_a_batch_is_one_batch():
    (images, labels), *more = batches(split_of(n=3), range(1))
    assert not more
    assert len(images) == len(labels) == 3


def test_evaluation_keeps_order_and_delivers_the_last_part_batch():
    found = list(ImageFeed(3).evaluation(split_of(), 8))
    assert [len(images) for images in found] == [8, 8, 4]
    assert np.concatenate(found)[:, 0, 0, 0].tolist() == list(range(20))


def test_pixel_statistics_are_those_of_the_pixels():
    split = split_of()
    mean, deviation = pixel_statistics(split)
    pixels = split.x.take(slice(0, 20)).reshape(-1, 3).astype(float)
    np.testing.assert_allclose(mean, pixels.mean(0), rtol=1e-5)
    np.testing.assert_allclose(deviation, pixels.std(0), rtol=1e-4)


def test_rows_of_a_memory_map_equal_those_in_memory(tmp_path):
    array = np.arange(60, dtype=np.uint8).reshape(20, 3)
    np.save(tmp_path / "rows.npy", array)
    mapped = Rows(np.load(tmp_path / "rows.npy", mmap_mode="r")).subset(np.array([3, 1, 7]))
    np.testing.assert_array_equal(mapped.take(np.array([2, 0])), array[[7, 3]])


def test_bundle_refuses_a_group_in_two_splits():
    whole = split_of()
    card = DatasetCard("toy", "Toy", "image", ("a", "b", "c"), "none", "none", group_unit="patient")
    parts = [whole.subset(np.arange(start, start + 5)) for start in (0, 5, 10)]
    leaking = replace(parts[2], group_ids=parts[0].group_ids)
    with pytest.raises(UserError, match=r"5 groups, e\.g\. 'image0', are in both the train and the test split"):
        DatasetBundle(card, parts[0], parts[1], leaking)
