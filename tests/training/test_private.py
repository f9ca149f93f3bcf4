"""DP-SGD: the accountant's noise, Poisson batches, clipped gradients, and noise of the size that was promised."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from tests.training.test_tabular import CONFIG, RECORDS
from tfhealth.data.dataset import Rows, Split
from tfhealth.training import tabular
from tfhealth.training.generative import one_hot
from tfhealth.training.private import PoissonFeed, Privacy, PrivateVAE
from tfhealth.training.tabular import encoded, encoding_of, private_generator_of, train_tabular_vae

ENCODING = encoding_of(RECORDS, private=True)
TRAIN = encoded(RECORDS.bundle.train, ENCODING)
ROWS, CLASSES = TRAIN.x.take(slice(None)), one_hot(TRAIN.y, 2)
GRANT = Privacy(1.0, 1e-5, clip=0.5, noise=0.0, batch_size=60, rate=0.2, steps=5)


def test_noise_of_one_whole_batch_is_that_of_the_analytic_gaussian_mechanism():
    """Balle and Wang 2018, arXiv:1805.06530, theorem 8, with sensitivity 1."""
    epsilon, delta = 1.5, 1e-5

    def excess(noise):
        below, above = (sign / (2 * noise) - epsilon * noise for sign in (1, -1))
        return norm.cdf(below) - np.exp(epsilon) * norm.cdf(above) - delta

    found = Privacy.calibrated(epsilon, delta, clip=1.0, records=100, batch_size=100, epochs=1)
    assert (found.rate, found.steps) == (1.0, 1)
    assert found.noise == pytest.approx(brentq(excess, 0.5, 20), rel=0.01)
    assert epsilon * 0.99 < found.epsilon <= epsilon


def test_more_privacy_and_more_steps_need_more_noise():
    settings = {"clip": 1.0, "records": 300, "batch_size": 60}
    strict, loose = (Privacy.calibrated(e, 1e-5, epochs=2, **settings) for e in (1.0, 8.0))
    longer = Privacy.calibrated(8.0, 1e-5, epochs=20, **settings)
    assert strict.noise > longer.noise > loose.noise
    assert (longer.rate, longer.steps) == (0.2, 100)


def test_a_batch_draws_each_record_with_the_same_chance_and_goes_on_where_it_stopped():
    ids = np.arange(50).astype(str)
    split = Split(Rows(np.arange(1, 51, dtype=np.float32)[:, None]), np.arange(50, dtype=np.int32) % 2, ids, ids)
    feed, settings = PoissonFeed(2), {"batch_size": 10, "seed": 4}
    batches = list(feed.training(split, epochs=range(200), **settings).as_numpy_iterator())
    assert len(batches) == 200 * 5
    counts, sizes = np.zeros(50), []
    for rows, classes, weights in batches:
        drawn = rows[weights == 1, 0].astype(int) - 1
        assert len(set(drawn)) == len(drawn)
        assert (classes[weights == 1].argmax(1) == drawn % 2).all()
        assert (rows[weights == 0] == 0).all()
        counts[drawn] += 1
        sizes.append(len(drawn))
    np.testing.assert_allclose(counts / 1000, 0.2, atol=0.06)  # five standard errors
    assert np.var(sizes) == pytest.approx(50 * 0.2 * 0.8, rel=0.25)  # of a binomial
    again = list(feed.training(split, epochs=range(199, 200), **settings).as_numpy_iterator())
    for found, expected in zip(again[-1], batches[-1], strict=True):
        np.testing.assert_array_equal(found, expected)


def private_vae(grant):
    """Compiled so that a step subtracts what the training hands to its optimizer."""
    model = tabular._build(RECORDS, ENCODING, replace(CONFIG, annealing=0.0, clip_norm=0.0), 0, grant)
    model.compile(keras.optimizers.SGD(1.0), jit_compile=False)
    return model


def step(model, rows, classes, weights, number=0):
    """Returns what one step, of that number, subtracts from all weights, as one vector; the model stays as it is."""
    before = [variable.numpy() for variable in model.trainable_variables]
    model.optimizer.iterations.assign(number)
    model.train_step(tuple(keras.ops.convert_to_tensor(x) for x in (rows, classes, weights)))
    found = [old - new.numpy() for old, new in zip(before, model.trainable_variables, strict=True)]
    for variable, old in zip(model.trainable_variables, before, strict=True):
        variable.assign(old)
    return np.concatenate([part.ravel() for part in found])


def test_no_record_moves_the_sum_by_more_than_the_clip():
    """The step without noise is the sum of clipped gradients over the expected batch size; one record is its share."""
    wild = ROWS[:8].copy()
    wild[3] *= 50
    weights, model = np.ones(8, np.float32), private_vae(GRANT)
    whole = step(model, wild, CLASSES[:8], weights)
    for left in range(8):
        without = step(model, wild, CLASSES[:8], np.where(np.arange(8) == left, 0, weights))
        moved = np.linalg.norm((whole - without) * GRANT.batch_size)
        assert 0 < moved <= GRANT.clip * 1.0001, left  # float32


def test_noise_has_the_size_that_was_promised_and_another_value_each_step():
    noisy = private_vae(replace(GRANT, noise=3.0))
    nobody = np.zeros(8, np.float32)
    first, second = (step(noisy, ROWS[:8], CLASSES[:8], nobody, number) for number in range(2))
    expected = 3.0 * GRANT.clip / GRANT.batch_size
    for found in (first, second):
        assert np.std(found) == pytest.approx(expected, rel=0.1)  # some 1,000 weights
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.15


def test_error_of_a_record_does_not_depend_on_the_others_of_its_batch():
    error = private_vae(GRANT).error
    made = np.random.default_rng(0).normal(size=ROWS[:6].shape).astype(np.float32)
    alone = [float(error(ROWS[i : i + 1], made[i : i + 1])) for i in range(6)]
    assert float(error(ROWS[:6], made)) == pytest.approx(np.mean(alone), rel=1e-5)


def test_trained_with_privacy_it_still_makes_records_that_tell_the_classes_apart(tmp_path):
    grant = Privacy.calibrated(8.0, 1e-5, clip=1.0, records=len(TRAIN), batch_size=60, epochs=20)
    config = replace(CONFIG, epochs=20, batch_size=60, weight_average=0.0, free_bits=0.0)
    run = train_tabular_vae("toy", RECORDS, config, seed=3, folder=tmp_path, log_dir=tmp_path / "logs", privacy=grant)
    parts = {path.stem: keras.saving.load_model(path, compile=False) for path in tmp_path.glob("*.keras")}
    assert isinstance(tabular._build(RECORDS, ENCODING, config, 3, grant), PrivateVAE)
    assert len(run.history["reconstruction"]) == 20
    made = private_generator_of(parts, RECORDS).make(RECORDS.bundle.train.y, 0)
    real = RECORDS.bundle.train.x.take(slice(None))
    assert (np.nanmin(made, 0) >= np.nanmin(real, 0)).all()
    assert (np.nanmax(made, 0) <= np.nanmax(real, 0)).all()
    test = RECORDS.bundle.test
    model = LogisticRegression().fit(ENCODING.encode(made), RECORDS.bundle.train.y)
    y_prob = model.predict_proba(ENCODING.encode(test.x.take(slice(None))))[:, 1]
    assert roc_auc_score(test.y, y_prob) > 0.85
