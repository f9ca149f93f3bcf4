"""Ohsumed, SMS Spam and MedQuAD from tiny archives of the same layout: counted, grouped, and refused when bad."""

import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tfhealth.data import text_archives, text_cards, text_source
from tfhealth.data.dataset import DatasetBundle, Split
from tfhealth.data.text import TextOptions, load_text_dataset
from tfhealth.errors import UserError

CANARY = "zxcanary"  # stands in texts only


@pytest.fixture(autouse=True)
def _few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_source, "FEWEST_GROUPS", 3)


def splits(bundle: DatasetBundle) -> tuple[Split, Split, Split]:
    return bundle.train, bundle.validation, bundle.test


def sizes(bundle: DatasetBundle) -> list[int]:
    return [len(split) for split in splits(bundle)]


def refused(name: str, options: TextOptions) -> str:
    """Returns the one line that loading ends with, which repeats nothing of a text."""
    with pytest.raises(UserError) as error:
        load_text_dataset(name, options)
    text = str(error.value)
    assert "\n" not in text
    assert CANARY not in text
    return text


def tar(path: Path, members: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as file:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))


def ohsumed(root: Path, extra: dict[str, bytes] | None = None) -> TextOptions:
    """Writes 8 training and 4 test abstracts of each category."""
    members = {}
    for category in range(1, 24):
        for i in range(12):
            name = f"ohsumed_single_23/{'training' if i < 8 else 'test'}/C{category:02d}/{category:03d}{i:04d}"
            members[name] = f"Title {category}.\n {CANARY} {category} {i}".encode()
    tar(root / "ohsumed" / "ohsumed_single_23.tar.gz", members | (extra or {}))
    return TextOptions(data_dir=root)


def test_ohsumed_keeps_its_test_split_and_validation_comes_from_its_training_split(tmp_path):
    bundle = load_text_dataset("ohsumed", ohsumed(tmp_path))
    assert sizes(bundle) == [7 * 23, 23, 4 * 23]
    assert bundle.card.class_names[0] == "Bacterial Infections and Mycoses"
    assert bundle.card.class_names[22] == "Pathological Conditions, Signs and Symptoms"
    assert set(bundle.validation.y) == set(range(23))
    assert all(name[-4:] >= "0008" for name in bundle.test.example_ids)
    row = list(bundle.test.example_ids).index("C14/0140009")
    assert bundle.test.y[row] == 13
    assert bundle.test.x.take(slice(row, row + 1))[0] == f"Title 14. {CANARY} 14 9"


def test_copy_with_other_counts_says_so_on_its_card(tmp_path):
    bundle = load_text_dataset("ohsumed", ohsumed(tmp_path))
    assert "This copy holds training 184, test 92; published are training 3357, test 4043." in bundle.card.notes


def test_missing_ohsumed_names_the_file_the_url_and_the_place(tmp_path):
    text = refused("ohsumed", TextOptions(data_dir=tmp_path))
    assert "ohsumed_single_23.tar.gz not found: get it from https://github.com/yao8839836/text_gcn" in text
    assert str(tmp_path / "ohsumed") in text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("ohsumed_single_23/training/C01/9", f"{CANARY} caf\xe9".encode("latin-1"), "C01/9', line 1: bytes that are"),
        ("ohsumed_single_23/training/C01/9", b" \n ", "1 of 277 texts are empty, the first is C01/9"),
        ("ohsumed_single_23/training/C24/9", CANARY.encode(), "training/C24/9' is not training/Cxx/ID"),
        ("readme", CANARY.encode(), "member 'readme' is not training/Cxx/ID"),
        ("../training/C01/9", CANARY.encode(), "leads out of its folder"),
    ],
)
def test_bad_ohsumed_member_is_named(tmp_path, name, content, message):
    assert message in refused("ohsumed", ohsumed(tmp_path, {name: content}))


def test_truncated_ohsumed_is_one_line(tmp_path):
    options = ohsumed(tmp_path)
    path = tmp_path / "ohsumed" / "ohsumed_single_23.tar.gz"
    path.write_bytes(path.read_bytes()[:-200])
    assert "is no .tar.gz file or truncated" in refused("ohsumed", options)


def sms_spam(root: Path, extra: str = "") -> TextOptions:
    """Writes 60 ham and 20 spam messages, each spam twice but for case and spaces; quotes and \x85 are text."""
    lines = [f'ham\t{CANARY} said "{i}\x85ok' for i in range(60)]
    lines += [f"spam\t{word} {i // 2}" for i, word in enumerate([f"{CANARY} WIN", f"{CANARY}  win"] * 10)]
    path = root / "sms_spam" / "sms+spam+collection.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("SMSSpamCollection", "\n".join([*lines, extra]) + "\n")
        file.writestr("readme", "read me")
    return TextOptions(data_dir=root)


def test_sms_spam_keeps_repeated_messages_in_one_split(tmp_path):
    bundle = load_text_dataset("sms_spam", sms_spam(tmp_path))
    assert bundle.card.class_names == ("ham", "spam")
    assert [int(split.y.sum()) for split in splits(bundle)] == [14, 2, 4]
    keys = [{text_source.text_key(text) for text in split.x.take(slice(None))} for split in splits(bundle)]
    assert len(set.union(*keys)) == sum(map(len, keys)) == 70
    assert "10 of 80 texts repeat another word for word; such texts share a split." in bundle.card.notes


def test_sms_spam_line_that_is_no_message_is_named_by_its_number(tmp_path):
    options = sms_spam(tmp_path, f"{CANARY} without a class\nspam {CANARY}")
    assert "2 line(s) of SMSSpamCollection are not ham or spam, a tab and a text, the first is line 81" in refused(
        "sms_spam", options
    )


def test_truncated_sms_spam_is_one_line(tmp_path):
    options = sms_spam(tmp_path)
    path = tmp_path / "sms_spam" / "sms+spam+collection.zip"
    path.write_bytes(path.read_bytes()[:-100])
    assert "is no zip file or truncated" in refused("sms_spam", options)


@pytest.mark.parametrize("name", ["sms_spam", "medquad"])
def test_archive_that_is_here_is_not_downloaded(tmp_path, monkeypatch, name):
    monkeypatch.setattr(text_archives, "download", None)  # would fail if called
    load_text_dataset(name, {"sms_spam": sms_spam, "medquad": medquad}[name](tmp_path))


def test_sms_spam_that_is_not_here_is_downloaded_with_its_checksum(tmp_path, monkeypatch):
    def download(url: str, target: Path, sha256: str | None = None) -> Path:
        assert url == "https://archive.ics.uci.edu/static/public/228/sms+spam+collection.zip"
        assert sha256 == "1587ea43e58e82b14ff1f5425c88e17f8496bfcdb67a583dbff9eefaf9963ce3"
        sms_spam(tmp_path)
        return target

    monkeypatch.setattr(text_archives, "download", download)
    assert sum(sizes(load_text_dataset("sms_spam", TextOptions(data_dir=tmp_path)))) == 80


def test_failed_download_names_the_url_and_the_place(tmp_path, monkeypatch):
    file = replace(text_cards.MEDQUAD.files[0], url="http://127.0.0.1:9/MedQuAD.tar.gz")  # nothing listens there
    monkeypatch.setattr(text_archives, "MEDQUAD", replace(text_cards.MEDQUAD, files=(file,)))
    text = refused("medquad", TextOptions(data_dir=tmp_path))
    assert "cannot download http://127.0.0.1:9/MedQuAD.tar.gz" in text
    assert str(tmp_path / "medquad" / "MedQuAD.tar.gz") in text


def pair(number: int, kind: str, answer: str) -> str:
    return f'<QAPair pid="{number}"><Question qtype="{kind}">?</Question><Answer>{answer}</Answer></QAPair>'


def xml(*pairs: str) -> bytes:
    return f'<?xml version="1.0"?>\n<Document id="1"><QAPairs>{"".join(pairs)}</QAPairs></Document>'.encode()


def medquad(root: Path, extra: dict[str, bytes] | None = None) -> TextOptions:
    """Writes 12 documents with two kinds of answers, of which one more is empty, one rare and two the same."""
    members = {"MedQuAD/readme.txt": b"read me", "MedQuAD/2_QA/empty.xml": b"<Document><QAPairs></QAPairs></Document>"}
    for i in range(12):
        pairs = [pair(1, "causes", f"{CANARY} cause &amp; {i}"), pair(2, "treatment", f"{CANARY} therapy {i}")]
        pairs += [pair(3, "causes", ""), pair(4, "rare", f"{CANARY} rare")] if i < 2 else []
        members[f"MedQuAD/1_QA/{i:07d}.xml"] = xml(*pairs)
    other = (
        f'<doc><qaPairs><pair><question qtype="causes">?</question><answer>{CANARY} old</answer></pair></qaPairs></doc>'
    )
    tar(root / "medquad" / "MedQuAD.tar.gz", members | {"MedQuAD/6_QA/1.xml": other.encode()} | (extra or {}))
    return TextOptions(data_dir=root)


def test_medquad_leaves_out_empty_repeated_and_rare_answers_and_counts_them(tmp_path):
    bundle = load_text_dataset("medquad", medquad(tmp_path))
    assert bundle.card.class_names == ("causes", "treatment")
    assert sum(sizes(bundle)) == 25
    notes = " ".join(bundle.card.notes)
    assert "2 of 29 answers are empty" in notes
    assert "and 1 repeat another word for word: they are left out" in notes
    assert "Classes with fewer than 3 documents were left out, texts in brackets: rare (1)." in notes
    assert "This copy holds question-answer pairs 29; published are question-answer pairs 47457." in notes


def test_medquad_documents_stay_whole_and_both_forms_of_file_are_read(tmp_path):
    bundle = load_text_dataset("medquad", medquad(tmp_path))
    groups = [set(split.group_ids) for split in splits(bundle)]
    assert len(set.union(*groups)) == sum(map(len, groups)) == 13
    assert "6_QA/1" in set.union(*groups)
    texts = {text for split in splits(bundle) for text in split.x.take(slice(None))}
    assert f"{CANARY} cause & 3" in texts


LAUGHS = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "zxcanary"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'
OUTSIDE = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LAUGHS, "declares a DTD or entities"),
        (OUTSIDE, "declares a DTD or entities"),
        (xml(pair(1, "causes", "&zxcanary;")), "is no XML from line 2, column"),
        (xml(pair(1, "causes", CANARY))[:-20], "is no XML from line 2, column"),
        (b'<?xml version="1.0" encoding="zx"?><x/>', "is no XML from line|is XML in an unknown encoding"),
        (xml(f"<QAPair><Question>?</Question><Answer>{CANARY}</Answer></QAPair>"), "pair 1 has no question type"),
    ],
)
def test_bad_medquad_file_is_named(tmp_path, content, message):
    text = refused("medquad", medquad(tmp_path, {"MedQuAD/1_QA/bad.xml": content}))
    assert "MedQuAD/1_QA/bad.xml" in text
    assert any(part in text for part in message.split("|"))


def test_medquad_without_any_answer_is_refused(tmp_path):
    tar(tmp_path / "medquad" / "MedQuAD.tar.gz", {"MedQuAD/1_QA/1.xml": xml(pair(1, "causes", ""))})
    assert "medquad has 0 class(es) with texts" in refused("medquad", TextOptions(data_dir=tmp_path))
