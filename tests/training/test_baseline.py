import numpy as np
import pytest

from tfhealth.data.dataset import DatasetBundle, DatasetCard, Rows, Split
from tfhealth.training import baseline
from tfhealth.training.baseline import fit_baseline


def split_of(name, texts, labels):
    ids = np.char.add(name, np.arange(len(texts)).astype(str))
    return Split(Rows(np.array(texts, object)), np.array(labels, np.int32), ids, ids)


CARD = DatasetCard("made_up", "Made up", "text", ("liver", "heart", "eye"), licence="none", citation="none")
TRAIN = ["acute hepatitis", "chronic hepatitis", "eye pain", "eye swelling"] * 3, [0, 0, 2, 2] * 3


def bundle_of(test, labels):
    validation = split_of("validation", ["hepatitis", "eye"], [0, 2])
    return DatasetBundle(CARD, split_of("train", *TRAIN), validation, split_of("test", test, labels))


def test_baseline_learns_words_and_gives_no_chance_to_a_class_it_never_saw(tmp_path):
    found = fit_baseline(bundle_of(["hepatitis", "eye"], [0, 2]), tmp_path).predictions["test"]
    assert found.y_pred.tolist() == [0, 2]
    np.testing.assert_allclose(found.y_prob.sum(1), 1, atol=1e-6)
    assert (found.y_prob[:, 1] == 0).all()


def test_order_of_words_beyond_pairs_changes_nothing(tmp_path):
    bundle = bundle_of(["swelling zzz hepatitis", "hepatitis zzz swelling"], [0, 0])
    first, second = fit_baseline(bundle, tmp_path).predictions["test"].y_prob
    np.testing.assert_allclose(first, second, atol=1e-7)


def test_fitted_baseline_is_read_not_fitted_again(tmp_path, monkeypatch):
    bundle = bundle_of(["eye"], [2])
    first = fit_baseline(bundle, tmp_path)
    monkeypatch.setattr(baseline, "_fit", lambda *_: pytest.fail("fitted again"))
    again = fit_baseline(bundle, tmp_path)
    for field in ("strength", "parameters", "seconds", "ms_per_document"):
        assert getattr(again, field) == getattr(first, field)
    np.testing.assert_array_equal(again.predictions["test"].y_prob, first.predictions["test"].y_prob)


def test_no_word_of_a_text_is_kept(tmp_path):
    fit_baseline(bundle_of(["hepatitis"], [0]), tmp_path)
    assert b"hepatitis" not in (tmp_path / "baseline.json").read_bytes()
    for path in tmp_path.glob("*.npz"):
        with np.load(path, allow_pickle=False) as arrays:
            assert not any("hepatitis" in str(arrays[name]) for name in arrays.files)
