from dataclasses import replace

import numpy as np
import pytest
from tokenizers import Tokenizer

from tfhealth.data.dataset import DatasetBundle, DatasetCard, Rows, Split
from tfhealth.data.text_pipeline import TextFeed
from tfhealth.data.tokens import (
    PADDING_ID,
    UNKNOWN_ID,
    enough_steps,
    fit_tokenizer,
    save_tokenizer,
    token_counts,
    token_ids,
    tokenize,
)

TEXTS = [
    "Acute hepatitis and chronic gastritis",
    "chronic hepatitis",
    "acute gastritis",
    "hepatic pain and gastric pain",
]


@pytest.fixture(scope="module")
def tokenizer():
    return fit_tokenizer(TEXTS * 3, 60)


def test_same_texts_give_the_same_ids(tokenizer):
    assert all(fit_tokenizer(TEXTS * 3, 60).get_vocab() == tokenizer.get_vocab() for _ in range(5))


def test_case_and_accents_do_not_count(tokenizer):
    first, second = token_ids(tokenizer, ["Hépatitis ACUTE", "hepatitis acute"], 8)
    np.testing.assert_array_equal(first, second)


def test_a_word_that_training_never_saw_keeps_its_parts(tokenizer):
    pieces = tokenizer.encode("gastatic acutic", add_special_tokens=False).tokens
    assert "[UNK]" not in pieces
    assert tokenizer.encode("!", add_special_tokens=False).tokens == ["[UNK]"]  # nor did it see this character


def test_long_texts_are_cut_and_short_ones_padded(tokenizer):
    ids = token_ids(tokenizer, ["acute", "acute " * 9], 4)
    assert ids.dtype == np.int32
    assert ids[0].tolist() == [ids[1, 0], *[PADDING_ID] * 3]
    assert (ids[1] == ids[1, 0]).all()
    assert token_counts(tokenizer, ["acute", "acute " * 9]).tolist() == [1, 9]


def test_steps_are_spared_for_all_texts_but_the_longest_hundredth():
    assert enough_steps(np.array([5] * 990 + [80] * 10), 100) == 5
    assert enough_steps(np.array([5] * 980 + [80] * 20), 100) == 80
    assert enough_steps(np.array([5] * 980 + [80] * 20), 40) == 40


def test_vocabulary_is_no_larger_than_asked_for_and_padding_is_zero():
    small = fit_tokenizer(TEXTS * 3, 40)
    assert small.get_vocab_size() <= 40
    assert small.token_to_id("[PAD]") == PADDING_ID
    assert small.token_to_id("[UNK]") == UNKNOWN_ID


def test_saved_tokenizer_gives_the_same_ids(tokenizer, tmp_path):
    save_tokenizer(tokenizer, tmp_path / "tokenizer.json")
    loaded = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    np.testing.assert_array_equal(token_ids(loaded, TEXTS, 9), token_ids(tokenizer, TEXTS, 9))


def split_of(texts, start=0):
    column, ids = np.array(texts, object), np.arange(start, start + len(texts)).astype(str)
    return Split(Rows(column), np.arange(len(texts), dtype=np.int32) % 2, ids, ids)


def test_bundle_is_tokenized_split_by_split_and_knows_its_vocabulary(tokenizer):
    card = DatasetCard("toy", "Toy", "text", ("a", "b"), "none", "none")
    bundle = DatasetBundle(card, split_of(TEXTS), split_of(TEXTS[:2], 4), split_of(TEXTS[2:], 6))
    tokenized = tokenize(bundle, tokenizer, 6)
    assert tokenized.vocabulary_size == tokenizer.get_vocab_size()
    np.testing.assert_array_equal(tokenized.test.x.take(slice(None)), token_ids(tokenizer, TEXTS[2:], 6))
    assert tokenized.test.y.tolist() == bundle.test.y.tolist()


def batches(feed, split, **more):
    options = {"batch_size": 4, "seed": 3, "epochs": range(2)}
    return list(feed.training(split, **(options | more)).as_numpy_iterator())


def tokens_of(n=8, steps=50):
    tokens = np.arange(2, 2 + n * steps, dtype=np.int32).reshape(n, steps)
    tokens[:, 40:] = PADDING_ID
    ids = np.arange(n).astype(str)
    return Split(Rows(tokens), np.arange(n, dtype=np.int32) % 2, ids, ids)


def test_feed_delivers_every_text_once_an_epoch_with_its_label():
    split = tokens_of()
    found = np.concatenate([tokens for tokens, _ in batches(TextFeed(2), split)[:2]])
    np.testing.assert_array_equal(found[np.argsort(found[:, 0])], split.x.take(slice(None)))
    for tokens, labels in batches(TextFeed(2), split):
        assert ((tokens[:, 0] - 2) // 50 % 2 == labels.argmax(1)).all()


def test_token_dropout_hides_its_share_of_tokens_never_padding_and_resumes():
    split, feed = tokens_of(), TextFeed(2, token_dropout=0.3)
    whole = batches(feed, split, epochs=range(20))
    real = np.concatenate([tokens[:, :40] for tokens, _ in whole])
    assert np.mean(real == UNKNOWN_ID) == pytest.approx(0.3, abs=0.03)  # 6,400 draws: 5 standard errors
    assert all((tokens[:, 40:] == PADDING_ID).all() for tokens, _ in whole)
    again = batches(feed, split, epochs=range(19, 20))
    np.testing.assert_array_equal(again[-1][0], whole[-1][0])


def test_twice_puts_each_text_into_a_batch_again_with_other_tokens_hidden_and_the_same_weight():
    split = replace(tokens_of(), weights=np.arange(8, dtype=np.float32))
    for tokens, labels, weights in batches(TextFeed(2, token_dropout=0.3, twice=True), split):
        assert len(tokens) == len(labels) == len(weights) == 8
        for half in (labels, weights):
            np.testing.assert_array_equal(half[:4], half[4:])
        both = (tokens[:4] != UNKNOWN_ID) & (tokens[4:] != UNKNOWN_ID)
        np.testing.assert_array_equal(tokens[:4][both], tokens[4:][both])
        assert ((tokens[:4] == UNKNOWN_ID) != (tokens[4:] == UNKNOWN_ID)).any()


def test_evaluation_hides_nothing_and_keeps_the_order():
    split = tokens_of()
    found = list(TextFeed(2, token_dropout=0.5).evaluation(split, 3))
    assert [len(tokens) for tokens in found] == [3, 3, 2]
    np.testing.assert_array_equal(np.concatenate(found), split.x.take(slice(None)))
