"""The tabular VAE on a small table whose columns go together and have gaps."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import norm
from sklearn.metrics import log_loss

from tfhealth.config_part3 import VAETraining
from tfhealth.data.dataset import DatasetBundle, DatasetCard, Rows, Split
from tfhealth.data.tabular import Column, Records
from tfhealth.data.tabular_encoding import Encoding
from tfhealth.training import generative, tabular
from tfhealth.training.generative import one_hot
from tfhealth.training.tabular import RecordError, encoded, generator_of, group_places, record_errors, train_tabular_vae

COLUMNS = (Column("weight"), Column("height"), Column("sex", ("f", "m")))
CONFIG = VAETraining(
    epochs=25, width=16, latent=3, batch_size=32, learning_rate=1e-2, annealing=0.3, free_bits=0.05, weight_average=0.9
)


def make_split(n, seed):
    """Weight and height rise with the class and go together, sex follows it; a fifth of the heights are missing."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n).astype(np.int32)
    weight = rng.normal(60 + 20 * y, 5)
    height = np.where(rng.random(n) < 0.2, np.nan, 100 + weight + rng.normal(0, 2, n))
    sex = (rng.random(n) < 0.1 + 0.8 * y).astype(float)
    ids = np.array([f"{seed}-{i}" for i in range(n)])
    return Split(Rows(np.column_stack([weight, height, sex])), y, ids, ids)


CARD = DatasetCard("people", "people", "table", ("a", "b"), "none", "none")
RECORDS = Records(DatasetBundle(CARD, make_split(300, 1), make_split(60, 2), make_split(60, 3)), COLUMNS, "class")
TRAIN = RECORDS.bundle.train.x.take(slice(None))
ENCODING = Encoding.fit(TRAIN, COLUMNS)


def run(folder, config=CONFIG):
    return train_tabular_vae("toy", RECORDS, config, seed=3, folder=folder, log_dir=folder / "logs")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="module")
def parts(finished):
    folder = finished.model_path.parent
    return {path.stem: keras.saving.load_model(path, compile=False) for path in folder.glob("*.keras")}


def test_error_is_the_likelihood_of_numbers_and_categories():
    """Against scipy's Gaussian, with the standard deviation that fits best, and scikit-learn's cross-entropy."""
    rng = np.random.default_rng(0)
    records = ENCODING.encode(TRAIN[:50])
    made = rng.normal(size=records.shape).astype(np.float32)
    expected = 0.0
    for column in range(2):
        known = ~np.isnan(TRAIN[:50, column])
        residual = (records - made)[known, column].astype(float)
        density = norm.logpdf(residual, scale=np.sqrt(np.mean(residual**2))) + np.log(2 * np.pi) / 2
        expected -= density.sum() / 50
    for start, stop in group_places(ENCODING):
        prob = softmax(made[:, start:stop].astype(float), axis=1)
        expected += log_loss(records[:, start:stop].argmax(1), prob, labels=range(stop - start))
    assert float(RecordError(ENCODING)(records, made)) == pytest.approx(expected, rel=1e-5)  # float32


def test_what_is_made_of_a_missing_number_costs_nothing():
    records = ENCODING.encode(TRAIN[:50])
    made = np.zeros_like(records)
    other = made.copy()
    other[np.isnan(TRAIN[:50, 1]), 1] = 7
    error = RecordError(ENCODING)
    assert float(error(records, other)) == pytest.approx(float(error(records, made)))


def test_training_lowers_the_error_and_logs_both_terms(finished):
    history = finished.history
    assert history["val_reconstruction"][-1] < history["val_reconstruction"][0] - 0.5
    assert len(history["kl"]) == len(history["val_kl"]) == CONFIG.epochs
    assert history["beta"][0] == 0
    assert history["beta"][-1] == 1


def test_made_records_have_the_columns_gaps_and_associations_of_real_ones(parts):
    generator = generator_of(parts, RECORDS, 0)
    y = np.repeat([0, 1], 500)
    x = generator.make(y, 5)
    assert np.nanmin(TRAIN[:, :2], 0) == pytest.approx(np.minimum(np.nanmin(TRAIN[:, :2], 0), np.nanmin(x[:, :2], 0)))
    assert np.nanmax(TRAIN[:, :2], 0) == pytest.approx(np.maximum(np.nanmax(TRAIN[:, :2], 0), np.nanmax(x[:, :2], 0)))
    assert set(x[:, 2]) == {0.0, 1.0}
    assert np.isnan(x).mean(0) == pytest.approx([0, 0.2, 0], abs=0.08)
    for label, mean in ((0, 60), (1, 80)):
        assert x[y == label, 0].mean() == pytest.approx(mean, abs=3)
        assert x[y == label, 2].mean() == pytest.approx(0.1 + 0.8 * label, abs=0.12)
    known = ~np.isnan(x[:, 1])
    assert np.corrcoef(x[known, 0], x[known, 1])[0, 1] > 0.85


def test_same_seed_makes_the_same_records_and_another_others(parts):
    generator = generator_of(parts, RECORDS, 0)
    y = np.zeros(20, int)
    np.testing.assert_array_equal(generator.make(y, 5), generator.make(y, 5))
    assert not np.array_equal(generator.make(y, 5), generator.make(y, 6), equal_nan=True)


def test_error_of_each_record_is_highest_for_one_that_cannot_be(parts):
    generator = generator_of(parts, RECORDS, 0)
    split = encoded(RECORDS.bundle.test, ENCODING)
    found = record_errors(parts, generator, split)
    assert found.shape == (60,)
    row = int(np.flatnonzero(~np.isnan(RECORDS.bundle.test.x.take(slice(None))[:, 1]))[0])
    wild = split.x.take(slice(None))
    wild[row, :2] = 3, -3  # heavy and short
    odd = Split(Rows(wild), split.y, split.group_ids, split.example_ids)
    assert record_errors(parts, generator, odd)[row] > found.max()


def test_train_step_moves_every_trainable_weight():
    model = tabular._build(RECORDS, ENCODING, replace(CONFIG, annealing=0.0), 0, None)
    model.beta.assign(1.0)
    optimizer = generative.adam(replace(CONFIG, weight_average=0.0))
    model.compile(optimizer, jit_compile=False)
    optimizer.build(model.trainable_variables)
    before = [variable.numpy() for variable in model.trainable_variables]
    rows, classes = encoded(RECORDS.bundle.train, ENCODING).x.take(slice(None)), one_hot(RECORDS.bundle.train.y, 2)
    for _ in range(2):
        model.train_step((keras.ops.convert_to_tensor(rows), keras.ops.convert_to_tensor(classes)))
    for variable, old in zip(model.trainable_variables, before, strict=True):
        assert np.abs(variable.numpy() - old).max() > 0, variable.path


def test_finished_training_is_loaded_not_repeated(finished, monkeypatch):
    monkeypatch.setattr(generative, "adam", lambda *_: pytest.fail("trained again"))
    assert run(finished.model_path.parent) == finished


@pytest.mark.parametrize("kept", [[0], [2]], ids=["numbers only", "categories only"])
def test_table_of_one_kind_is_trained_on_and_made(tmp_path, kept):
    def narrowed(split):
        return Split(Rows(split.x.take(slice(None))[:, kept]), split.y, split.group_ids, split.example_ids)

    bundle = DatasetBundle(CARD, *(narrowed(make_split(n, n)) for n in (64, 20, 21)))
    records = Records(bundle, tuple(COLUMNS[place] for place in kept), "class")
    config = replace(CONFIG, epochs=1)
    trained = train_tabular_vae("toy", records, config, seed=0, folder=tmp_path, log_dir=tmp_path / "logs")
    parts = {
        path.stem: keras.saving.load_model(path, compile=False) for path in trained.model_path.parent.glob("*.keras")
    }
    assert generator_of(parts, records, 0).make(np.array([0, 1, 1]), 0).shape == (3, 1)
