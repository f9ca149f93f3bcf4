"""MIMIC-III discharge summaries to the ICD-9 chapter of the primary diagnosis, from the tables PhysioNet ships.

NOTEEVENTS is 4 GB: it is read row by row, and of each summary only the first words are kept. Nothing is cached:
patient text stays where its owner put it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from tfhealth.console import progress_bar
from tfhealth.data.archives import find_file
from tfhealth.data.tables import UNKNOWN, age_band, open_table
from tfhealth.data.text_cards import ICD9_CHAPTERS, ICD9_LETTERS, MIMIC3, MIMIC3_TABLES
from tfhealth.data.text_source import Document, TextListing, TextOptions, TextSource, without_rare_classes
from tfhealth.errors import UserError

MAX_WORDS = 1000  # of a summary, of which the mean has about 1,500 (Mullenbach et al. 2018, NAACL): bounds the memory
DEIDENTIFIED = re.compile(r"\[\*\*[^\[\]]*\*\*\]")  # [**Known lastname 123**], [**2151-7-16**]
PLACEHOLDER = " deidentified "
DAYS_A_YEAR = 365.25
PROGRESS_ROWS = 2000  # between two steps of the progress bar
SEXES = {"F": "female", "M": "male"}
ETHNICITIES = {"WHITE": "White", "BLACK": "Black", "HISPANIC": "Hispanic", "ASIAN": "Asian"}  # how the words begin
NOT_SAID = ("UNKNOWN", "UNABLE", "PATIENT DECLINED")
NOTE_COLUMNS = ("SUBJECT_ID", "HADM_ID", "CATEGORY", "DESCRIPTION", "ISERROR", "TEXT")
LEFT_OUT = {
    "error": "are marked as errors",
    "addendum": "are addenda",
    "no admission": "have no admission",
    "no diagnosis": "have no primary diagnosis",
    "later": "are later ones of an admission that has one",
    "empty": "are empty",
}


def find_mimic3(options: TextOptions) -> TextSource:
    """Returns the source in `data_dir`/mimic3 or `data_dir`; UserError names the tables that are missing."""
    files = locate_mimic3(options)
    missing = [f"{name}.csv.gz" for name, path in files.items() if path is None]
    if missing:
        raise UserError(
            f"mimic3: {', '.join(missing)} not found: download with your PhysioNet account from {MIMIC3.card.url} and "
            f"put into {options.folder / 'mimic3'}"
        )
    return TextSource("mimic3", lambda: _listing(files))


def locate_mimic3(options: TextOptions) -> dict[str, Path | None]:
    """Returns table name -> its .csv or .csv.gz file, None where there is none."""
    names = {name: (f"{name}.csv", f"{name}.csv.gz") for name in MIMIC3_TABLES}
    return {name: find_file(options.folder, "mimic3", files) for name, files in names.items()}


def icd9_chapter(code: str) -> str | None:
    """Returns the chapter of an ICD-9-CM diagnosis, written without its point (4280, V3001); None if it is none."""
    if code[:1] in ICD9_LETTERS:
        return ICD9_LETTERS[code[0]]
    if not re.fullmatch("[0-9]{3,5}", code):
        return None
    return next(name for below, name in ICD9_CHAPTERS if int(code[:3]) < below)


def ethnicity_group(words: str) -> str:
    """Returns White, Black, Hispanic, Asian, other or unknown for what ADMISSIONS says."""
    if not words or words.startswith(NOT_SAID):
        return UNKNOWN
    return next((group for start, group in ETHNICITIES.items() if words.startswith(start)), "other")


def _listing(files: Mapping[str, Path]) -> TextListing:
    labels = _primary_labels(files["DIAGNOSES_ICD"])
    people = _people(files["PATIENTS"], files["ADMISSIONS"])
    documents, left_out, shortened = _summaries(files["NOTEEVENTS"], labels, people)
    counts = [f"{left_out[reason]} {words}" for reason, words in LEFT_OUT.items() if left_out[reason]]
    notes = (
        f"Of {len(documents) + left_out.total()} discharge summaries {left_out.total()} are left out"
        + (f": {', '.join(counts)}." if counts else "."),
        f"Only the first {MAX_WORDS} words of a summary are used, which shortens {shortened} of them; what was removed "
        f"for privacy is the word {PLACEHOLDER.strip()}.",
    )
    return without_rare_classes(documents, replace(MIMIC3.card, notes=MIMIC3.card.notes + notes))


def _cells(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yields the cells of the named columns, row by row."""
    with open_table(path) as table, progress_bar(f"Reading {path.name}", path.stat().st_size) as bar:
        places, read = table.places(columns), 0
        for count, (line, cells) in enumerate(table.rows, 1):
            if len(cells) != len(table.columns):
                raise UserError(f"{path}: the row in line {line} is cut short or has more cells: copy it again")
            if count % PROGRESS_ROWS == 0:
                bar.advance(table.bytes_read() - read)
                read = table.bytes_read()
            yield tuple(cells[place] for place in places)
        bar.advance(table.bytes_read() - read)


def _primary_labels(path: Path) -> dict[str, int]:
    """Returns admission -> class id of the diagnosis with sequence number 1, where its code is known."""
    labels = {}
    for admission, sequence, code in _cells(path, ("HADM_ID", "SEQ_NUM", "ICD9_CODE")):
        chapter = icd9_chapter(code.strip().upper())
        if sequence == "1" and chapter is not None:
            labels[admission] = MIMIC3.card.class_names.index(chapter)
    return labels


def _people(patients: Path, admissions: Path) -> dict[str, dict[str, str]]:
    """Returns admission -> sensitive features."""
    known = {row[0]: row[1:] for row in _cells(patients, ("SUBJECT_ID", "GENDER", "DOB"))}
    columns = ("HADM_ID", "SUBJECT_ID", "ADMITTIME", "INSURANCE", "ETHNICITY")
    people = {}
    for admission, subject, time, insurance, ethnicity in _cells(admissions, columns):
        gender, birth = known.get(subject, ("", ""))
        people[admission] = {
            "sex": SEXES.get(gender, UNKNOWN),
            "age_band": age_band(_years(birth, time)),
            "ethnicity": ethnicity_group(ethnicity.strip().upper()),
            "insurance": insurance.strip() or UNKNOWN,
        }
    return people


def _years(birth: str, time: str) -> float:
    """Returns the age; MIMIC shifts births of people over 89 so that they seem 300, the oldest band all the same."""
    try:
        return (datetime.fromisoformat(time) - datetime.fromisoformat(birth)).days / DAYS_A_YEAR
    except ValueError:
        return float("nan")


def _summaries(
    path: Path, labels: Mapping[str, int], people: Mapping[str, Mapping[str, str]]
) -> tuple[list[Document], Counter, int]:
    """Returns the first summary of each admission, how many others were left out by reason, how many are shortened."""
    stranger = dict.fromkeys(("sex", "age_band", "ethnicity", "insurance"), UNKNOWN)
    documents: dict[str, Document] = {}
    left_out: Counter = Counter()
    shortened = 0
    for subject, admission, category, description, is_error, text in _cells(path, NOTE_COLUMNS):
        if category.strip().lower() != "discharge summary":
            continue
        words = DEIDENTIFIED.sub(PLACEHOLDER, text).split(maxsplit=MAX_WORDS)
        reasons = {
            "error": is_error.strip() == "1",
            "addendum": description.strip().lower() == "addendum",
            "no admission": not admission,
            "no diagnosis": admission not in labels,
            "later": admission in documents,
            "empty": not words,
        }
        reason = next((name for name, applies in reasons.items() if applies), None)
        if reason is not None:
            left_out[reason] += 1
            continue
        shortened += len(words) > MAX_WORDS
        features = people.get(admission, stranger)
        documents[admission] = Document(admission, subject, labels[admission], " ".join(words[:MAX_WORDS]), features)
    return list(documents.values()), left_out, shortened
