import hashlib
import os
import re
import subprocess
import sys
import time
from dataclasses import fields

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from tfhealth.data import notes, notes_phrases
from tfhealth.data.notes import BIAS_GROUP, BLOCK, CLASS_NAMES, GeneratedNotes, generate, load_diagnoses

ALL = [field.name for field in fields(GeneratedNotes)]
COUNT = 2000
MARK = re.compile(r"[Dd]x([A-Z]\w\w)")  # stands for a diagnosis of that category, see `marked`


@pytest.fixture(scope="module")
def plain():
    return generate(COUNT, seed=0)


@pytest.fixture(scope="module")
def biased():
    return generate(COUNT, seed=0, bias=1.0)


@pytest.fixture
def without_typos(monkeypatch):
    monkeypatch.setattr(notes, "TYPO_SHARE", 0.0)
    monkeypatch.setattr(notes, "BIAS_ON_TYPOS", 0.0)


@pytest.fixture
def marked(monkeypatch, without_typos):
    """Each diagnosis is worded dx and its category, without typos, so that a test sees what a note names, and where."""
    diagnoses = tuple(d._replace(text=f"dx{d.category}", head=f"dx{d.category}") for d in load_diagnoses())
    monkeypatch.setattr(notes, "load_diagnoses", lambda: diagnoses)


def bag_of_words_accuracy(texts, y, split):
    texts, train, test = np.array(texts), split == "train", split == "test"
    vectorizer = TfidfVectorizer()
    model = LogisticRegression(C=10, max_iter=500, tol=1e-3).fit(vectorizer.fit_transform(texts[train]), y[train])
    return model.score(vectorizer.transform(texts[test]), y[test])


def digest(generated):
    return hashlib.sha256("\n\n".join(generated.texts).encode()).hexdigest()


def test_same_arguments_give_the_same_notes_and_other_seeds_others():
    one, same, other = generate(40, 7), generate(40, 7), generate(40, 8)
    for name in ALL:
        assert np.array_equal(getattr(one, name), getattr(same, name)), name
    assert not set(one.texts) & set(other.texts)


def test_another_process_with_another_hash_order_gives_the_same_notes():
    code = (
        "import hashlib; from tfhealth.data.notes import generate\n"
        "print(hashlib.sha256('\\n\\n'.join(generate(200, 3).texts).encode()).hexdigest())"
    )
    env = os.environ | {"PYTHONHASHSEED": "12345"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == digest(generate(200, 3))


@pytest.mark.parametrize("count", [1, BLOCK - 1, BLOCK + 5])
def test_smaller_count_gives_the_start_of_a_larger_one(count):
    few, many = generate(count, 3), generate(3 * BLOCK, 3)
    for name in ALL:
        assert np.array_equal(getattr(few, name), getattr(many, name)[:count]), name


def test_columns_have_the_documented_shapes_and_types(plain):
    assert len(plain.texts) == COUNT
    for name in set(ALL) - {"texts"}:
        assert getattr(plain, name).shape == (COUNT,), name
    assert (str(plain.y.dtype), str(plain.age.dtype)) == ("int32", "float64")
    assert {getattr(plain, name).dtype.kind for name in set(ALL) - {"texts", "y", "age"}} == {"U"}


@pytest.mark.parametrize("arguments", [(0, 0), (5, -1), (5, 0, 1.1), (5, 0, -0.1), (5, 0, float("nan"))])
def test_argument_out_of_range_is_refused(arguments):
    with pytest.raises(ValueError, match="got count="):
        generate(*arguments)


def test_notes_have_80_to_250_words(plain, biased):
    for generated in (plain, biased):
        lengths = [len(text.split()) for text in generated.texts]
        assert min(lengths) >= 80
        assert max(lengths) <= 250
    assert np.std(lengths) > 10  # words: notes differ in length


def test_class_is_the_chapter_of_the_category_and_classes_are_even(plain):
    chapter = {d.category: d.y for d in load_diagnoses()}
    assert [chapter[category] for category in plain.categories] == plain.y.tolist()
    assert np.abs(np.bincount(plain.y) / COUNT - 1 / len(CLASS_NAMES)).max() < 0.026  # four standard errors


def test_splits_hold_70_10_and_20_percent_and_share_no_category(plain):
    members = {name: set(plain.categories[plain.split == name]) for name in ("train", "validation", "test")}
    assert {name: int(np.sum(plain.split == name)) for name in members} == {
        "train": 1400,
        "validation": 200,
        "test": 400,
    }
    assert not members["train"] & members["test"]
    assert not members["train"] & members["validation"]
    assert not members["validation"] & members["test"]
    for name in members:
        assert set(plain.y[plain.split == name]) == set(range(len(CLASS_NAMES))), name


def test_no_diagnosis_is_in_two_categories_under_the_same_words():
    words = [frozenset(notes._words(d.text)) for d in load_diagnoses()]
    assert len(words) == len(set(words))


def test_note_names_four_to_six_diagnoses_of_different_chapters_and_of_its_own_split(marked):
    generated = generate(COUNT, seed=0)
    chapter = {d.category: d.y for d in load_diagnoses()}
    named_in = {name: set() for name in ("train", "validation", "test")}
    for text, category, split in zip(generated.texts, generated.categories, generated.split, strict=True):
        named = MARK.findall(text)
        assert 4 <= len(named) <= 6
        assert category in named
        assert len({chapter[name] for name in named}) == len(named)
        named_in[split] |= set(named)
    assert not named_in["train"] & (named_in["validation"] | named_in["test"])
    assert not named_in["validation"] & named_in["test"]
    assert sum(map(len, named_in.values())) > 0.95 * len(chapter)  # every category is used


def current_by_reading(text):
    """The category a reader takes for current: named in a sentence of that kind, or what such a clause refers to."""
    for template in notes_phrases.SENTENCES["current"]:
        if found := re.search(re.escape(template[0]) + re.escape(template[1:]).replace(r"\{dx\}", MARK.pattern), text):
            return found[1]
        if template.startswith("{dx}") and (found := re.search(MARK.pattern + re.escape(template[4:]), text)):
            return found[1]
    references = [(size, at, ref) for size, refs in notes_phrases.REFERENCES.items() for at, ref in enumerate(refs)]
    for size, at, reference in references:
        for clause in notes_phrases.CLAUSES["current"]:
            if re.search(re.escape(clause.format(ref=reference)) + "[;.]", text, re.IGNORECASE):
                return MARK.findall(text.split("\n")[0])[-size:][at]
    return None


def test_reading_finds_the_current_diagnosis_of_every_note(marked):
    generated = generate(500, seed=1)
    assert [current_by_reading(text) for text in generated.texts] == generated.categories.tolist()


def test_place_of_a_diagnosis_in_the_note_does_not_tell_that_it_is_current(marked):
    generated = generate(COUNT, seed=0)
    chances, hits = np.zeros(6), np.zeros(6)
    for text, category in zip(generated.texts, generated.categories, strict=True):
        named = MARK.findall(text)
        chances[: len(named)] += 1 / len(named)
        hits[named.index(category)] += 1
    assert (hits / chances).max() < 1.6  # of what an even draw would give; an answer by place stays under 0.35


def test_cue_words_of_every_kind_stand_in_almost_every_note(plain):
    cues = [r"fhx|fam|mother|father|brother|aunt|cousin|sister", r"no |not |nothing|negative|exclu|rule|unlikely|never"]
    cues += [r"today|now|active|visit|treat"]
    for cue in cues:
        assert np.mean([bool(re.search(cue, text.lower())) for text in plain.texts]) > 0.97, cue


def test_bag_of_words_stays_far_below_one_that_is_given_the_current_diagnosis(plain):
    whole = bag_of_words_accuracy(plain.texts, plain.y, plain.split)
    current = bag_of_words_accuracy(plain.diagnoses, plain.y, plain.split)
    assert whole < 0.35
    assert current > 0.85


def test_text_around_the_diagnoses_tells_nothing_of_the_class(plain, monkeypatch):
    diagnoses = tuple(d._replace(text="this disorder", head="disorder") for d in load_diagnoses())
    monkeypatch.setattr(notes, "load_diagnoses", lambda: diagnoses)
    generated = generate(COUNT, seed=0)
    assert np.array_equal(generated.y, plain.y)
    chance = 1 / len(CLASS_NAMES)
    assert bag_of_words_accuracy(generated.texts, generated.y, generated.split) < chance + 0.058  # four standard errors


def test_first_sentence_states_age_and_sex_and_the_note_states_ethnicity_and_insurance(without_typos):
    generated = generate(300, seed=0)
    for i, text in enumerate(generated.texts):
        first = text.split(".")[0]
        assert first.startswith((f"{generated.age[i]:.0f}", f"Pt {generated.age[i]:.0f}"))
        assert any(f" {word} " in first.replace(",", " ") for word in notes_phrases.SEXES[generated.sex[i]]), first
        assert re.search(rf"ethnicity (recorded as )?{generated.ethnicity[i]}", text, re.IGNORECASE)
        assert re.search(
            rf"(insurance|coverage:) {notes_phrases.COVERAGE[generated.insurance[i]]}", text, re.IGNORECASE
        )


def test_class_age_sex_and_ethnicity_are_independent(plain):
    columns = [plain.y == y for y in range(len(CLASS_NAMES) - 1)]
    others = [plain.age, plain.sex == "male", plain.ethnicity == "White", plain.ethnicity == "Black"]
    correlation = np.corrcoef([column.astype(float) for column in columns + others])
    assert np.abs(correlation[: len(columns), len(columns) :]).max() < 4 / np.sqrt(COUNT)  # four standard errors
    assert np.abs(np.corrcoef([plain.age, plain.sex == "male"])[0, 1]) < 4 / np.sqrt(COUNT)
    assert 0.10 < np.mean(plain.insurance == BIAS_GROUP) < 0.20


def typo_share(generated, clean):
    """Share of words (n,) that differ from the note as written without typos."""
    pairs = zip(generated.texts, clean.texts, strict=True)
    return np.array([np.mean([a != b for a, b in zip(x.split(), y.split(), strict=True)]) for x, y in pairs])


def test_without_bias_typos_are_a_few_percent_in_every_group(plain, without_typos):
    share = typo_share(plain, generate(COUNT, seed=0))
    assert 0.015 < share.mean() < 0.04
    group = plain.insurance == BIAS_GROUP
    assert abs(share[group].mean() - share[~group].mean()) < 4 * share.std() / np.sqrt(group.sum())


def test_bias_changes_the_notes_of_its_group_and_no_other(plain, biased):
    group = plain.insurance == BIAS_GROUP
    same = np.array(plain.texts) == np.array(biased.texts)
    assert same[~group].all()
    assert not same[group].any()
    for name in set(ALL) - {"texts"}:
        assert np.array_equal(getattr(plain, name), getattr(biased, name)), name


def test_bias_adds_typos_and_shortens_diagnoses_in_its_group(plain, biased, without_typos):
    group = plain.insurance == BIAS_GROUP
    clean = generate(COUNT, seed=0, bias=1.0)
    assert 0.08 < typo_share(biased, clean)[group].mean() < 0.2  # a quarter of the words, less the short ones
    whole = np.array([d in text for d, text in zip(plain.diagnoses, clean.texts, strict=True)])
    assert 0.4 < whole[group].mean() < 0.9  # half are cut to the head, which for some is all there is
    assert whole[~group].mean() > 0.9  # the rest begin a sentence, with a capital letter


@pytest.mark.parametrize(("bias", "share"), [(0.0, 0.0), (0.5, 0.3), (1.0, 0.6)])
def test_bias_leaves_a_share_of_current_diagnoses_in_its_group_unmarked(marked, bias, share):
    generated = generate(1500, seed=0, bias=bias)
    group = generated.insurance == BIAS_GROUP
    texts = np.array(generated.texts)
    unmarked = [current_by_reading(text) is None for text in texts[group]]
    assert np.mean(unmarked) == pytest.approx(share, abs=0.14)  # four standard errors of about 210 notes
    assert not any(current_by_reading(text) is None for text in texts[~group][:200])


def test_generates_2000_notes_a_second_on_one_core():
    load_diagnoses()
    seconds = []
    for seed in range(3):
        start = time.process_time()  # time of this process alone, so that others do not count
        generate(1000, seed)
        seconds.append(time.process_time() - start)
    assert 1000 / min(seconds) > 2000
