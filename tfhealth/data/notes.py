"""The embedded text data: synthetic clinical notes, written from templates by a seed.

A note of 80 to 250 words names four to six diagnoses of different ICD-10-CM chapters, each once and in any order. One
is current, and its chapter is the class; the others are history, family history, ruled out, resolved or considered.
Words that mark each kind stand in every note, so that a bag of words cannot tell which diagnosis is current. Mostly
they stand beside the diagnosis; in some notes (LIST_SIZES) two or three diagnoses are listed near the start, and a
later sentence says what became of "problem 2" or "the first". No number got from these notes is about real ones.

Diagnoses are titles and inclusion terms of ICD-10-CM (package simple_icd_10_cm), only those whose words recur in other
categories of their chapter (`load_diagnoses`): the categories of train, validation and test are disjoint, and a note
names diagnoses of its own split's categories only, current or not. The classes are the chapters that keep 25 categories
or more. Left out are those that make no sense as the one current diagnosis of an adult of either sex (pregnancy,
perinatal, congenital, injury, symptoms, external causes, contact with health services, special purposes), those too
small for three splits (blood, ear), and genitourinary, as most of its texts name an organ of one sex.

Class, age, sex and ethnicity are independent of each other; insurance depends on age alone. With bias 0 a note states
these four and depends on none of them otherwise. Source: ICD-10-CM, CDC/NCHS, public domain.
"""

import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from typing import NamedTuple

import numpy as np

from tfhealth.data import notes_phrases as phrases
from tfhealth.data.splits import SPLIT_NAMES, split_by_group

CHAPTERS = {  # number in ICD-10-CM -> short name
    "1": "infectious", "2": "neoplasms", "4": "endocrine", "5": "mental", "6": "nervous", "7": "eye",
    "9": "circulatory", "10": "respiratory", "11": "digestive", "12": "skin", "13": "musculoskeletal",
}  # fmt: skip
CLASS_NAMES = tuple(CHAPTERS.values())
KINDS = ("history", "family", "ruled_out", "resolved", "considered")  # of diagnoses that are not current
LIST_SIZES = (0,) * 11 + (2,) * 4 + (3,) * 5  # diagnoses listed: none in 55 % of the notes, 2 in 20 %, 3 in 25 %
SPLIT_OF_ROW = ("train",) * 4 + ("test",) + ("train",) * 3 + ("validation", "test")  # of every ten rows
ETHNICITIES = {"White": 0.58, "Hispanic": 0.19, "Black": 0.13, "Asian": 0.06, "other": 0.04}  # about the US census's
INSURANCES = ("private", "medicare", "medicaid", "uninsured")
INSURANCE_SHARES = ((0.54, 0.03, 0.23, 0.20), (0.05, 0.88, 0.02, 0.05))  # under 65, from 65: enough uninsured to audit
BIAS_GROUP = "uninsured"
TYPO_SHARE = 0.05  # of the words; short ones and numbers are spared, which leaves about 2.5 %
BIAS_ON_TYPOS = 0.20  # added to TYPO_SHARE at bias 1: about one word in eight
BIAS_ON_CUE = 0.6  # at bias 1 this share of current diagnoses is only "noted"
BIAS_ON_DETAIL = 0.5  # at bias 1 this share of diagnoses is cut to its head: "ulcer of esophagus" to "ulcer"
BLOCK, MAX_WORDS, NUM_DRAWS = 500, 260, 100  # notes; more than a note has words; more than it takes random choices
NUMBERS = range(2, 13)  # of weeks, years and so on in a sentence
UNFIT_WORDS, UNFIT_PARTS = set(phrases.UNFIT_WORDS.split()), phrases.UNFIT_PARTS.split()
EPONYM = re.compile(r"\S+([A-Z]|'s)|\S+ [A-Z][a-z]")  # or an abbreviation, at the start of a text
HEAD_END = re.compile(r" (?:of|with|without|due to|in|and|or) ")
SMALL_WORDS = {"of", "and", "the", "or", "a", "an", "in", "with", "without", "due", "to"}
MAX_DIAGNOSIS_WORDS = 6
WORD_FLOOR = 0.005  # share of a chapter's categories credited to a word that none of them has: one in 200


class Diagnosis(NamedTuple):
    """A diagnosis as a note words it; `head` is its less specific short form, y the position in CLASS_NAMES."""

    text: str
    head: str
    category: str
    y: int


@dataclass(frozen=True)
class GeneratedNotes:
    """n notes and the truth about them; the group that never crosses splits is `categories`."""

    texts: list[str]
    y: np.ndarray  # (n,) int32, position in CLASS_NAMES: the chapter of the current diagnosis
    categories: np.ndarray  # (n,) str, three-character ICD-10-CM category of the current diagnosis
    split: np.ndarray  # (n,) str, "train", "validation" or "test": 7, 1 and 2 of every ten rows
    age: np.ndarray  # (n,) float years, whole
    sex: np.ndarray  # (n,) str "female" or "male"
    ethnicity: np.ndarray  # (n,) str, a key of ETHNICITIES
    insurance: np.ndarray  # (n,) str, one of INSURANCES
    diagnoses: np.ndarray  # (n,) str, ICD-10-CM's text of the current diagnosis, whole and without typos


def generate(count: int, seed: int, bias: float = 0.0) -> GeneratedNotes:
    """`count` notes with their classes, categories, splits and patients.

    The same arguments give the same notes, and generate(10, ...) is the start of generate(20, ...).

    Args:
        count: number of notes, at least 1.
        seed: non-negative int; it also deals the categories to the splits.
        bias: in [0, 1], what is planted against patients without insurance (BIAS_GROUP): their notes have more typos
            (TYPO_SHARE + BIAS_ON_TYPOS * bias of the words), the share BIAS_ON_DETAIL * bias of diagnoses is cut to
            the head, and the share BIAS_ON_CUE * bias of current diagnoses is only "noted". 0 plants nothing; the
            notes of everyone else, and all labels, are the same at any bias.

    Raises:
        ValueError: an argument is out of range.
    """
    if count < 1 or seed < 0 or not 0 <= bias <= 1:
        raise ValueError(f"need count >= 1, seed >= 0 and bias in [0, 1]; got count={count}, seed={seed}, bias={bias}")
    pools = _deal_categories(load_diagnoses(), seed)
    blocks = [_write_block(pools, seed, block, bias) for block in range(-(-count // BLOCK))]
    texts, current, patients = zip(*islice(chain.from_iterable(blocks), count), strict=True)
    return GeneratedNotes(
        texts=list(texts),
        y=np.array([diagnosis.y for diagnosis in current], np.int32),
        categories=np.array([diagnosis.category for diagnosis in current]),
        split=np.resize(SPLIT_OF_ROW, count),
        age=np.array([patient["age"] for patient in patients], float),
        **{name: np.array([patient[name] for patient in patients]) for name in ("sex", "ethnicity", "insurance")},
        diagnoses=np.array([diagnosis.text for diagnosis in current]),
    )


@cache
def load_diagnoses() -> tuple[Diagnosis, ...]:
    """The diagnoses that notes name: fit for an adult of either sex, in one category only, and recognisable."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it reads its own files with a deprecated function of importlib
        import simple_icd_10_cm as icd  # here, as it reads 10 MB of XML when imported
    texts = []  # (text, category, y)
    for y, chapter in enumerate(CHAPTERS):
        for code in filter(icd.is_category_or_subcategory, icd.get_descendants(chapter)):
            for text in (icd.get_description(code), *icd.get_inclusion_term(code)):
                texts.append((re.sub(r" ?\([^)]*\)|, unspecified.*| NOS$", "", text).strip(), code[:3], y))
    inner = {word for text, _, _ in texts for word in text.split()[1:]}
    same = defaultdict(list)  # words -> the diagnoses of just these words
    for text, category, y in texts:
        if _is_fit(text.lower()):
            first = text.split()[0]
            is_name = (first in inner and first.lower() not in inner) or EPONYM.match(text)
            text = text if is_name else first.lower() + text[len(first) :]
            same[frozenset(_words(text))].append(Diagnosis(text, HEAD_END.split(text)[0], category, y))
    diagnoses = [group[0] for group in same.values() if len({d.category for d in group}) == 1]
    for _ in range(2):  # the second time only words of diagnoses that are still there count
        diagnoses = _keep_recognisable(diagnoses)
    return tuple(diagnoses)


def _is_fit(text: str) -> bool:
    is_short = len(text) > 4 and len(text.split()) <= MAX_DIAGNOSIS_WORDS and not re.search(r"[^\w' -]|\d", text)
    return is_short and UNFIT_WORDS.isdisjoint(re.split(r"\W", text)) and not any(part in text for part in UNFIT_PARTS)


def _words(text: str) -> set[str]:
    return {word.rstrip("s") for word in re.findall(r"[^\W\d_]+", text.lower())} - SMALL_WORDS


def _keep_recognisable(diagnoses: list[Diagnosis]) -> list[Diagnosis]:
    """The diagnoses whose chapter is more likely than all others together, judged without their own category.

    A naive Bayes over words, each counted by the categories that have it; one word must be in two other categories.
    """
    classes = np.arange(len(CLASS_NAMES))
    holders = defaultdict(lambda: np.zeros(len(classes)))  # word -> categories that have it (classes,)
    for word, y, _ in {(word, d.y, d.category) for d in diagnoses for word in _words(d.text)}:
        holders[word][y] += 1
    sizes = np.array([len({d.category for d in diagnoses if d.y == y}) for y in classes])
    kept = []
    for diagnosis in diagnoses:
        own = classes == diagnosis.y
        words = sorted(_words(diagnosis.text))  # in an order that is the same in every process: products round
        counts = np.array([holders[word] for word in words]) - own  # (words, classes)
        likelihood = np.prod(counts / (sizes - own) + WORD_FLOOR, axis=0)  # (classes,)
        if counts[:, diagnosis.y].max() >= 2 and likelihood[diagnosis.y] > likelihood.sum() / 2:
            kept.append(diagnosis)
    return kept


def _deal_categories(diagnoses: Iterable[Diagnosis], seed: int) -> dict[str, list[list[list[Diagnosis]]]]:
    """Returns split -> class -> category -> its diagnoses; categories are dealt 70/10/20 within each class."""
    members = defaultdict(list)
    for diagnosis in diagnoses:
        members[diagnosis.category].append(diagnosis)
    groups = list(members.values())
    y = np.array([group[0].y for group in groups])
    pools = {name: [[] for _ in CLASS_NAMES] for name in SPLIT_NAMES}
    for name, rows in split_by_group(y, np.array(list(members)), seed).items():
        for row in rows:
            pools[name][y[row]].append(groups[row])
    return pools


def _draw_patients(rng: np.random.Generator) -> list[dict[str, object]]:
    """One dict per note of a block: age, sex, ethnicity, insurance, vital signs and laboratory values."""
    age = np.clip(rng.normal(54, 18, BLOCK), 18, 95).astype(int)
    shares = np.cumsum(np.array(INSURANCE_SHARES)[(age >= 65).astype(int)], axis=1)
    insurance = (rng.random((BLOCK, 1)) > shares[:, :-1]).sum(axis=1)
    columns = {
        "age": age.tolist(),
        "sex": rng.choice(("female", "male"), BLOCK).tolist(),
        "ethnicity": rng.choice(tuple(ETHNICITIES), BLOCK, p=tuple(ETHNICITIES.values())).tolist(),
        "insurance": np.array(INSURANCES)[insurance].tolist(),
    }
    for name, (mean, deviation, decimals) in phrases.FIGURES.items():
        values = np.round(mean + deviation * np.clip(rng.standard_normal(BLOCK), -2, 2), decimals)
        columns[name] = (values if decimals else values.astype(int)).tolist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _write_block(pools: dict, seed: int, block: int, bias: float) -> Iterator[tuple[str, Diagnosis, dict]]:
    """Text, current diagnosis and patient of each note of one block."""
    rng = np.random.default_rng([seed, block])
    patients = _draw_patients(rng)
    chapters = rng.random((BLOCK, len(CLASS_NAMES))).argsort(axis=1).tolist()
    kinds = rng.random((BLOCK, len(KINDS))).argsort(axis=1).tolist()
    num_others = rng.integers(3, len(KINDS) + 1, BLOCK).tolist()
    draws = rng.random((BLOCK, NUM_DRAWS)).tolist()
    misprints = rng.random((BLOCK, MAX_WORDS))
    for i, patient in enumerate(patients):
        level = bias if patient["insurance"] == BIAS_GROUP else 0.0
        note = _Note(patient, draws[i])
        pool = pools[SPLIT_OF_ROW[i % len(SPLIT_OF_ROW)]]
        roles = ["current", *(KINDS[kind] for kind in kinds[i][: num_others[i]])]
        diagnoses = [note.one_of(note.one_of(pool[y])) for y in chapters[i][: len(roles)]]
        texts = [d.head if next(note.draws) < BIAS_ON_DETAIL * level else d.text for d in diagnoses]
        is_vague = next(note.draws) < BIAS_ON_CUE * level
        text = _write(note, dict(zip(roles, texts, strict=True)), is_vague)
        yield _misprint(text, misprints[i], TYPO_SHARE + BIAS_ON_TYPOS * level), diagnoses[0], patient


class _Note(dict):
    """The facts a note may state, by name, and its random choices, taken in turn from a row of uniform draws."""

    def __init__(self, patient: dict, draws: Iterable[float]):
        super().__init__(patient)
        self.draws = iter(draws)

    def __missing__(self, key: str) -> int:
        return {"n": self.one_of(NUMBERS)}[key]  # {n} is a new number each time

    def one_of(self, table):
        return table[int(next(self.draws) * len(table))]

    def shuffled(self, items: Iterable) -> list:
        return [item for _, item in sorted([(next(self.draws), item) for item in items])]

    def say(self, table: tuple[str, ...]) -> str:
        sentence = self.one_of(table).format_map(self)
        return sentence[0].upper() + sentence[1:]

    def say_some(self, table: tuple[str, ...], least: int, most: int) -> list[str]:
        start, size = self.one_of(range(len(table))), self.one_of(range(least, most + 1))
        return [sentence.format_map(self) for sentence in (table + table)[start : start + size]]


def _write(note: _Note, named: dict[str, str], is_vague: bool) -> str:
    """The text, without typos; `named` maps "current" and some of KINDS to a diagnosis each."""
    note["sex"] = note.one_of(phrases.SEXES[note["sex"]])
    note["coverage"] = phrases.COVERAGE[note["insurance"]]
    for name in ("living", "complaint", "unit"):
        note[name] = note.one_of(phrases.FACTS[name])
    sentences = phrases.VAGUE_SENTENCES if is_vague else phrases.SENTENCES
    listed, listing, verdict = _list_some(note, named, is_vague)
    background, assessment = [], verdict
    for kind in ("current", *KINDS):
        if kind not in listed:
            note["dx"] = named.get(kind)
            sentence = note.say((sentences if kind in named else phrases.NOTHING_OF_KIND)[kind])
            (background if kind in ("history", "family") else assessment).append(sentence)
    sections = (
        [note.say(phrases.SOCIAL)],
        [note.say(phrases.VITALS), *note.say_some(phrases.EXAMS, 0, 2)],
        [note.say(phrases.LABS), *note.say_some(phrases.RESULTS, 0, 2)],
        note.shuffled(background),
        note.shuffled(assessment),
    )
    opening = [note.say(phrases.OPENINGS), *note.say_some(phrases.COURSES, 1, 3), *listing]
    plan = [note.say(phrases.PLANS), *note.say_some(phrases.ADVICE, 1, 3)]
    return "\n".join(" ".join(section) for section in (opening, *note.shuffled(sections), plan) if section)


def _list_some(note: _Note, named: dict[str, str], is_vague: bool) -> tuple[list[str], list[str], list[str]]:
    """The kinds of the listed diagnoses, the list, and the sentence on its entries; all empty if there is no list."""
    size = note.one_of(LIST_SIZES)
    if not size:
        return [], [], []
    others = [kind for kind in named if kind not in ("current", "family")]
    listed = note.shuffled(["current", *others[: size - 1]])
    table, clauses = phrases.VAGUE_CLAUSES if is_vague else phrases.CLAUSES, []
    for kind, ref in zip(listed, phrases.REFERENCES[size], strict=True):
        clauses.append(note.one_of(table[kind]).format(ref=ref, n=note.one_of(NUMBERS)))
    note["verdict"] = "; ".join(note.shuffled(clauses))
    listing = note.one_of(phrases.LISTS[size]).format(*(named[kind] for kind in listed))
    return listed, [listing], [note.say(("{verdict}.",))]


def _misprint(text: str, draws: np.ndarray, share: float) -> str:
    """The text with this share of its words misspelt: two letters swapped, one dropped, or one doubled."""
    words = text.split(" ")
    for at in np.flatnonzero(draws[: len(words)] < share).tolist():
        word = words[at]
        if len(word) < 5 or not word[:-1].isalpha():  # a comma or full stop may follow
            continue
        manner, place = divmod(float(draws[at]) / share * 3, 1)
        i = 1 + int(place * (len(word) - 3))  # neither the first letter nor the last two characters
        words[at] = word[:i] + (word[i + 1] + word[i] + word[i + 2 :], word[i + 1 :], word[i] + word[i:])[int(manner)]
    return " ".join(words)
