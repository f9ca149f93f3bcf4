"""MIMIC-III from generated tables of PhysioNet's schema: chapters, patients, what is left out, and flat memory."""

import csv
import gzip
import tracemalloc
from pathlib import Path

import pytest

from tfhealth.data import text_mimic3, text_source
from tfhealth.data.dataset import DatasetBundle
from tfhealth.data.text import TextOptions, load_text_dataset
from tfhealth.data.text_mimic3 import ethnicity_group, icd9_chapter
from tfhealth.errors import UserError

CANARY = "zxcanary"  # stands in texts only
HEADERS = {
    "NOTEEVENTS": "ROW_ID,SUBJECT_ID,HADM_ID,CHARTDATE,CHARTTIME,STORETIME,CATEGORY,DESCRIPTION,CGID,ISERROR,TEXT",
    "DIAGNOSES_ICD": "ROW_ID,SUBJECT_ID,HADM_ID,SEQ_NUM,ICD9_CODE",
    "PATIENTS": "ROW_ID,SUBJECT_ID,GENDER,DOB,DOD,DOD_HOSP,DOD_SSN,EXPIRE_FLAG",
    "ADMISSIONS": "ROW_ID,SUBJECT_ID,HADM_ID,ADMITTIME,DISCHTIME,DEATHTIME,ADMISSION_TYPE,ADMISSION_LOCATION,"
    "DISCHARGE_LOCATION,INSURANCE,LANGUAGE,RELIGION,MARITAL_STATUS,ETHNICITY,EDREGTIME,EDOUTTIME,DIAGNOSIS,"
    "HOSPITAL_EXPIRE_FLAG,HAS_CHARTEVENTS_DATA",
}
CODES = ("4280", "V3001", "0389", "486")  # circulatory, newborn, infectious, respiratory


@pytest.fixture(autouse=True)
def _few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_source, "FEWEST_GROUPS", 3)


def note(subject: int, admission: str, text: str, **changes: str) -> dict[str, str]:
    row = {"SUBJECT_ID": str(subject), "HADM_ID": admission, "CATEGORY": "Discharge summary", "DESCRIPTION": "Report"}
    return row | {"CHARTDATE": "2151-07-16", "TEXT": text} | changes


def mimic3(root: Path, notes: list[dict[str, str]] | None = None, packed: bool = False) -> TextOptions:
    """Writes 40 patients with an admission each; `notes` are added to their summaries."""
    summaries = [note(i, str(100 + i), f"Admission Date: [**2151-7-{i}**]\n{CANARY} {i}") for i in range(40)]
    birth = {0: "1851-01-01 00:00:00", 1: "2120-07-17 00:00:00", 2: ""}
    tables = {
        "NOTEEVENTS": summaries + (notes or []),
        "DIAGNOSES_ICD": [
            {"SUBJECT_ID": str(i), "HADM_ID": str(100 + i), "SEQ_NUM": str(place), "ICD9_CODE": code}
            for i in range(40)
            for place, code in ((2, "25000"), (1, CODES[i % 4]))
        ],
        "PATIENTS": [
            {"SUBJECT_ID": str(i), "GENDER": "FM"[i % 2], "DOB": birth.get(i, "2101-01-01 00:00:00")} for i in range(40)
        ],
        "ADMISSIONS": [
            {
                "SUBJECT_ID": str(i),
                "HADM_ID": str(100 + i),
                "ADMITTIME": "2151-07-16 14:29:00",
                "INSURANCE": "Medicare",
                "ETHNICITY": "BLACK/AFRICAN AMERICAN" if i % 2 else "",
            }
            for i in range(40)
        ],
    }
    (root / "mimic3").mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        path = root / "mimic3" / (f"{name}.csv.gz" if packed else f"{name}.csv")
        with (gzip.open if packed else open)(path, "wt", newline="", encoding="utf-8") as file:
            columns = [f'"{column}"' for column in HEADERS[name].split(",")]
            file.write(",".join(columns) + "\n")
            csv.DictWriter(file, HEADERS[name].split(","), quoting=csv.QUOTE_MINIMAL).writerows(rows)
    return TextOptions(data_dir=root)


def rows(bundle: DatasetBundle) -> dict[str, tuple[str, str, dict[str, str]]]:
    """Returns admission -> class name, text and features."""
    found = {}
    for split in (bundle.train, bundle.validation, bundle.test):
        for i, name in enumerate(split.example_ids):
            features = {feature: str(column[i]) for feature, column in split.sensitive_features.items()}
            found[str(name)] = (bundle.card.class_names[split.y[i]], split.x.take(slice(i, i + 1))[0], features)
    return found


def refused(options: TextOptions) -> str:
    """Returns the one line that loading ends with, which repeats nothing of a text."""
    with pytest.raises(UserError) as error:
        load_text_dataset("mimic3", options)
    text = str(error.value)
    assert "\n" not in text
    assert CANARY not in text
    return text


@pytest.mark.parametrize("packed", [False, True])
def test_summaries_go_to_the_chapter_of_their_primary_diagnosis(tmp_path, packed):
    bundle = load_text_dataset("mimic3", mimic3(tmp_path, packed=packed))
    assert [len(bundle.train), len(bundle.validation), len(bundle.test)] == [28, 4, 8]
    found = rows(bundle)
    assert found["100"][0] == "Diseases of the circulatory system"
    assert found["101"][0].startswith("Supplementary classification of factors")
    assert bundle.card.class_names[0] == "Infectious and parasitic diseases"
    assert len(bundle.card.class_names) == 4
    assert bundle.card.group_unit == "patient"


def test_features_are_sex_age_band_ethnicity_and_insurance(tmp_path):
    found = rows(load_text_dataset("mimic3", mimic3(tmp_path)))
    common = {"insurance": "Medicare"}
    assert found["100"][2] == common | {"sex": "female", "age_band": "75+", "ethnicity": "unknown"}  # shifted to 300
    assert found["101"][2] == common | {"sex": "male", "age_band": "30-44", "ethnicity": "Black"}  # 30.99 years
    assert found["102"][2]["age_band"] == "unknown"


def test_text_is_cut_after_the_first_words_and_brackets_become_a_placeholder(tmp_path, monkeypatch):
    monkeypatch.setattr(text_mimic3, "MAX_WORDS", 4)
    bundle = load_text_dataset("mimic3", mimic3(tmp_path))
    assert rows(bundle)["105"][1] == f"Admission Date: deidentified {CANARY}"
    assert any(
        "Only the first 4 words of a summary are used, which shortens 40 of them" in n for n in bundle.card.notes
    )


def test_other_notes_are_no_summaries_and_those_left_out_are_counted_by_reason(tmp_path):
    notes = [
        note(0, "100", f"{CANARY} nursing", CATEGORY="Nursing/other"),
        note(0, "100", f"{CANARY} second"),
        note(0, "100", f"{CANARY} wrong", ISERROR="1"),
        note(0, "100", f"{CANARY} more", DESCRIPTION="Addendum"),
        note(0, "", f"{CANARY} nowhere"),
        note(0, "999", f"{CANARY} uncoded"),
    ]
    bundle = load_text_dataset("mimic3", mimic3(tmp_path, notes))
    assert f"{CANARY} 0" in rows(bundle)["100"][1]
    assert (
        "Of 45 discharge summaries 5 are left out: 1 are marked as errors, 1 are addenda, 1 have no admission, "
        "1 have no primary diagnosis, 1 are later ones of an admission that has one." in bundle.card.notes
    )


def test_patient_with_two_admissions_stays_in_one_split(tmp_path):
    options = mimic3(tmp_path)
    for name, column in (("NOTEEVENTS", 1), ("DIAGNOSES_ICD", 1)):
        path = tmp_path / "mimic3" / f"{name}.csv"
        with path.open(newline="") as file:
            table = list(csv.reader(file))
        for row in table[1:]:
            row[column] = str(int(row[column]) // 2)
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(table)
    bundle = load_text_dataset("mimic3", options)
    for split in (bundle.train, bundle.validation, bundle.test):
        assert all((split.group_ids == group).sum() == 2 for group in split.group_ids)


def test_rare_chapters_are_left_out_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr(text_source, "FEWEST_GROUPS", 11)
    assert "mimic3 has 0 class(es) with texts" in refused(mimic3(tmp_path))
    monkeypatch.setattr(text_source, "FEWEST_GROUPS", 3)
    options = mimic3(tmp_path)
    path = tmp_path / "mimic3" / "DIAGNOSES_ICD.csv"
    path.write_text(path.read_text().replace(",100,1,4280", ",100,1,E8859"))
    notes = load_text_dataset("mimic3", options).card.notes
    assert any("fewer than 3 patients were left out" in text and "(E codes) (1)" in text for text in notes)


def test_missing_tables_name_the_url_and_the_place(tmp_path):
    options = mimic3(tmp_path)
    (tmp_path / "mimic3" / "ADMISSIONS.csv").unlink()
    text = refused(options)
    assert "mimic3: ADMISSIONS.csv.gz not found" in text
    assert "https://physionet.org/content/mimiciii/1.4/" in text
    assert str(tmp_path / "mimic3") in text


def test_bad_rows_and_columns_are_named_without_their_text(tmp_path):
    options = mimic3(tmp_path)
    path = tmp_path / "mimic3" / "NOTEEVENTS.csv"
    whole = path.read_bytes()
    path.write_bytes(whole + f"{CANARY},too,short\n".encode())
    assert f"{path}: the row in line 82 is cut short" in refused(options)
    path.write_bytes(whole + f"{CANARY} caf\xe9\n".encode("latin-1"))
    assert f"{path}, line 82: bytes that are not UTF-8" in refused(options)
    path.write_bytes(whole.replace(b'"TEXT"', b'"BODY"'))
    assert "has no column 'TEXT'" in refused(options)


def test_truncated_gzip_is_one_line(tmp_path):
    options = mimic3(tmp_path, packed=True)
    path = tmp_path / "mimic3" / "NOTEEVENTS.csv.gz"
    path.write_bytes(path.read_bytes()[:-100])
    assert "is damaged or truncated" in refused(options)


def test_memory_stays_far_below_the_size_of_the_notes(tmp_path):
    nursing = note(0, "100", f"{CANARY} " * 2500, CATEGORY="Nursing")
    long = [note(i, str(100 + i), "word " * 10_000) for i in range(3)]
    options = mimic3(tmp_path, [nursing] * 300 + long)
    size = (tmp_path / "mimic3" / "NOTEEVENTS.csv").stat().st_size
    load_text_dataset("mimic3", options)  # imports and caches
    tracemalloc.start()
    load_text_dataset("mimic3", options)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 6e6
    assert peak < size / 4


@pytest.mark.parametrize(
    ("code", "chapter"),
    [
        ("0389", "Infectious and parasitic diseases"),
        ("1398", "Infectious and parasitic diseases"),
        ("140", "Neoplasms"),
        ("2859", "Diseases of the blood and blood-forming organs"),
        ("4280", "Diseases of the circulatory system"),
        ("7999", "Symptoms, signs, and ill-defined conditions"),
        ("99999", "Injury and poisoning"),
        ("E8859", "Supplementary classification of external causes (E codes)"),
        ("", None),
        ("abc", None),
    ],
)
def test_icd9_codes_go_to_their_chapters(code, chapter):
    assert icd9_chapter(code) == chapter


@pytest.mark.parametrize(
    ("words", "group"),
    [
        ("WHITE - RUSSIAN", "White"),
        ("BLACK/CAPE VERDEAN", "Black"),
        ("HISPANIC/LATINO - CUBAN", "Hispanic"),
        ("ASIAN - CHINESE", "Asian"),
        ("MIDDLE EASTERN", "other"),
        ("UNABLE TO OBTAIN", "unknown"),
        ("UNKNOWN/NOT SPECIFIED", "unknown"),
        ("PATIENT DECLINED TO ANSWER", "unknown"),
    ],
)
def test_ethnicities_are_coarse_groups(words, group):
    assert ethnicity_group(words) == group
