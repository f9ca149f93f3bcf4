"""Texts -> token ids, by a WordPiece vocabulary that is learned from the training split alone."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import keras_hub
import numpy as np
from tokenizers import BertWordPieceTokenizer, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from tfhealth.data.dataset import DatasetBundle, Rows, Split
from tfhealth.paths import atomic_path

PADDING, UNKNOWN = "[PAD]", "[UNK]"
CONTINUED = "##"  # in front of a piece that does not begin a word
PADDING_ID, UNKNOWN_ID = 0, 1
MIN_FREQUENCY = 2  # a piece that occurs once in training teaches nothing
WHOLE_SHARE = 0.99  # of the texts that no step is spared for
LONGEST_WORD = 40  # characters; longer ones are unknown, so that a line of dashes does not fill a document


def fit_tokenizer(texts: Iterable[str], vocabulary_size: int) -> Tokenizer:
    """Returns a tokenizer with at most `vocabulary_size` pieces, lower case, without accents.

    Rare words are cut into pieces that are frequent (`hepat` `##itis`), so that words which training never saw, and
    misspelt ones, keep the meaning of their parts.

    Args:
        texts: of the training split.
        vocabulary_size: number of token ids, padding and unknown included.

    Source: Wu et al. 2016, arXiv:1609.08144, sec. 4.1 (WordPiece), as the package `tokenizers` trains it.
    """
    texts = list(texts)
    learner = _tokenizer(models.WordPiece(unk_token=UNKNOWN, max_input_chars_per_word=LONGEST_WORD))
    characters = sorted(set().union(*(learner.normalizer.normalize_str(text) for text in texts)) - set(" "))
    # Named beforehand, single characters get the same ids each time. Left to the trainer they are numbered by a hash
    # that is drawn anew in each process, ties between pairs are broken by number, and no two vocabularies are alike.
    alphabet = [*characters, *(CONTINUED + character for character in characters if character.isalnum())]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary_size,
        min_frequency=MIN_FREQUENCY,
        special_tokens=[PADDING, UNKNOWN, *alphabet],
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    # A tokenizer of its own, because the learner takes each of the alphabet for a word by itself.
    pieces = learner.get_vocab()
    return _tokenizer(models.WordPiece(pieces, unk_token=UNKNOWN, max_input_chars_per_word=LONGEST_WORD))


def _tokenizer(model: models.WordPiece) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def tokenize(bundle: DatasetBundle, tokenizer: Tokenizer, sequence_length: int) -> DatasetBundle:
    """Returns the bundle with x (n, sequence_length) int32 token ids in place of texts: cut at the end, or padded."""
    splits = {
        name: _tokenized(getattr(bundle, name), tokenizer, sequence_length) for name in ("train", "validation", "test")
    }
    return replace(bundle, vocabulary_size=tokenizer.get_vocab_size(), **splits)


def _tokenized(split: Split, tokenizer: Tokenizer, sequence_length: int) -> Split:
    ids = token_ids(tokenizer, split.x.take(slice(None)), sequence_length)
    return replace(split, x=Rows(ids))


def token_ids(tokenizer: Tokenizer, texts: Iterable[str], sequence_length: int) -> np.ndarray:
    """Returns (n, sequence_length) int32 token ids; longer texts are cut at the end, shorter ones padded with 0."""
    encoded = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    ids = np.full((len(encoded), sequence_length), PADDING_ID, np.int32)
    for row, text in zip(ids, encoded, strict=True):
        kept = text.ids[:sequence_length]
        row[: len(kept)] = kept
    return ids


def token_counts(tokenizer: Tokenizer, texts: Iterable[str]) -> np.ndarray:
    """Returns (n,) how many tokens each text has, uncut."""
    return np.array([len(text.ids) for text in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)])


def enough_steps(lengths: np.ndarray, limit: int) -> int:
    """Returns how many tokens to read so that WHOLE_SHARE of the texts are read whole, `limit` at most.

    More would be padding, which costs as much as text.

    Args:
        lengths: (n,) tokens of each training text.
        limit: tokens.
    """
    return min(limit, int(np.quantile(lengths, WHOLE_SHARE, method="inverted_cdf")))


def save_tokenizer(tokenizer: Tokenizer, path: Path) -> None:
    """Writes the tokenizer as one JSON file, which `Tokenizer.from_file` reads."""
    with atomic_path(path) as temporary:
        tokenizer.save(str(temporary))


def encoder_ids(tokenizer: keras_hub.tokenizers.Tokenizer, texts: Iterable[str], sequence_length: int) -> np.ndarray:
    """Returns (n, sequence_length) int32 ids as a pretrained encoder wants them: start, text, end, padding.

    Args:
        tokenizer: the encoder's. BERT's WordPiece is done by the package `tokenizers`: the same ids, much faster.
        texts: any number.
        sequence_length: start and end included; longer texts are cut.
    """
    texts = list(texts)
    if isinstance(tokenizer, keras_hub.tokenizers.BertTokenizer):
        vocabulary = {piece: number for number, piece in enumerate(tokenizer.get_vocabulary())}
        options = {"lowercase": tokenizer.lowercase, "strip_accents": tokenizer.strip_accents}
        fast = BertWordPieceTokenizer(vocabulary, **options)
        bodies = [found.ids for found in fast.encode_batch(texts, add_special_tokens=False)]
    else:
        bodies = [[int(number) for number in body] for body in tokenizer(texts)]
    start, end = (getattr(tokenizer, name) for name in _border_tokens(tokenizer))
    ids = np.full((len(texts), sequence_length), tokenizer.pad_token_id, np.int32)
    for row, body in zip(ids, bodies, strict=True):
        whole = [start, *body[: sequence_length - 2], end]
        row[: len(whole)] = whole
    return ids


def _border_tokens(tokenizer) -> tuple[str, str]:
    """BERT calls them CLS and SEP, RoBERTa start and end."""
    kinds = ("cls", "sep") if hasattr(tokenizer, "cls_token_id") else ("start", "end")
    return tuple(f"{kind}_token_id" for kind in kinds)
