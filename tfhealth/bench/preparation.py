"""Bench: images of a folder and texts, on their way from files to arrays."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from tokenizers import Tokenizer

from tfhealth.bench.ratio import Ratio, in_turns
from tfhealth.console import quiet
from tfhealth.data import notes
from tfhealth.data.image import load_image_dataset
from tfhealth.data.image_source import ImageOptions
from tfhealth.data.tokens import fit_tokenizer, token_ids
from tfhealth.training.overhead import seconds_of

ROUNDS = 5
PHOTOGRAPHS, SIZE, SIDE = 300, (600, 450), 64  # HAM10000's size, and what Part 2 makes of it
TEXTS, VOCABULARY, LENGTH = 3000, 4000, 256


def measure_images(scratch: Path) -> list[Ratio]:
    """Returns the preparation of a folder of photographs (decoded, cut, reduced, stored) against a loop over Pillow."""
    folder = scratch / "photographs"
    _write_photographs(folder)

    def prepare() -> None:
        load_image_dataset(f"folder:{folder}", ImageOptions(image_size=SIDE))

    def ours() -> float:
        with _empty_cache(scratch / "cache"), quiet():
            return seconds_of(prepare)

    seconds = in_turns({"ours": ours, "bare": partial(seconds_of, partial(_bare_loop, folder))}, ROUNDS)
    return [Ratio.of("preparing images, ours / bare Pillow loop", "s", seconds["ours"], seconds["bare"])]


def measure_texts(_scratch: Path) -> list[Ratio]:
    """Returns token_ids against a loop over the same tokenizer."""
    texts = list(notes.generate(TEXTS, seed=0).texts)
    tokenizer = fit_tokenizer(texts, VOCABULARY)
    ways = {
        "ours": partial(token_ids, tokenizer, texts, LENGTH),
        "bare": partial(_bare_token_ids, tokenizer, texts),
    }
    seconds = in_turns({name: partial(seconds_of, way) for name, way in ways.items()}, ROUNDS)
    return [Ratio.of("preparing texts, ours / bare loop of encode", "s", seconds["ours"], seconds["bare"])]


def _write_photographs(folder: Path) -> None:
    """Writes JPEG files of smooth noise, which compress about as photographs of skin do, in two classes."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
    for number in range(PHOTOGRAPHS):
        coarse = rng.integers(60, 220, (30, 40, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize(SIZE, Image.Resampling.BICUBIC)
        image.save(folder / "ab"[number % 2] / f"{number}.jpg", quality=90)


def _bare_loop(folder: Path) -> np.ndarray:
    found = []
    for path in sorted(folder.rglob("*.jpg")):
        with Image.open(path) as image:
            found.append(np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)))
    return np.stack(found)


def _bare_token_ids(tokenizer: Tokenizer, texts: list[str]) -> np.ndarray:
    rows = [tokenizer.encode(text, add_special_tokens=False).ids[:LENGTH] for text in texts]
    return np.array([row + [0] * (LENGTH - len(row)) for row in rows], np.int32)


@contextmanager
def _empty_cache(folder: Path) -> Iterator[None]:
    """Prepared data go to an empty folder, in which nothing is found, until the block ends."""
    before = os.environ.get("TFHEALTH_CACHE")
    os.environ["TFHEALTH_CACHE"] = str(folder)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        del os.environ["TFHEALTH_CACHE"]
        if before is not None:
            os.environ["TFHEALTH_CACHE"] = before
