"""Text sets that their publishers distribute as archives, read in place: Ohsumed, SMS Spam and MedQuAD."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from tfhealth.data.archives import find_file, read_zip_member, tar_files
from tfhealth.data.cards import SourceFacts
from tfhealth.data.download import download
from tfhealth.data.tables import decode_text
from tfhealth.data.text_cards import MEDQUAD, OHSUMED, SMS_SPAM
from tfhealth.data.text_source import (
    Document,
    TextListing,
    TextOptions,
    TextSource,
    with_count_note,
    without_rare_classes,
    without_repeats,
)
from tfhealth.errors import UserError

SMS_MEMBER = "SMSSpamCollection"
PAIR_TAGS = {"QAPair": ("Question", "Answer"), "pair": ("question", "answer")}  # four files have the second form


def find_ohsumed(options: TextOptions) -> TextSource:
    """Returns Ohsumed from `data_dir`/ohsumed or `data_dir`; UserError says where to get it."""
    file = OHSUMED.files[0]
    path = find_file(options.folder, "ohsumed", [file.name])
    if path is None:
        raise UserError(f"ohsumed: {file.name} not found: get it from {file.url} into {options.folder / 'ohsumed'}")
    return TextSource("ohsumed", lambda: _ohsumed(path))


def find_sms_spam(options: TextOptions) -> TextSource:
    """Returns the SMS Spam Collection from `data_dir`/sms_spam or `data_dir`, else downloads it."""
    path = _found_or_downloaded(SMS_SPAM, options)
    return TextSource("sms_spam", lambda: _sms_spam(path))


def find_medquad(options: TextOptions) -> TextSource:
    """Returns MedQuAD from `data_dir`/medquad or `data_dir`, else downloads it."""
    path = _found_or_downloaded(MEDQUAD, options)
    return TextSource("medquad", lambda: _medquad(path))


def _found_or_downloaded(facts: SourceFacts, options: TextOptions) -> Path:
    file, room = facts.files[0], facts.card.name
    found = find_file(options.folder, room, [file.name])
    return found or download(file.url, options.folder / room / file.name, sha256=file.sha256)


def _ohsumed(path: Path) -> TextListing:
    """Reads training/Cxx/ID and test/Cxx/ID, the split that the set comes with."""
    labels = {f"C{number:02d}": number - 1 for number in range(1, len(OHSUMED.card.class_names) + 1)}
    documents = []
    for name, content in tar_files(path):
        parts = PurePosixPath(name).parts
        if len(parts) < 3 or parts[-3] not in OHSUMED.expected_counts or parts[-2] not in labels:
            raise UserError(f"{path}: member {name!r} is not training/Cxx/ID or test/Cxx/ID, Cxx being C01 to C23")
        text = decode_text(content, f"{path}: member {name!r}")
        example_id = "/".join(parts[-2:])
        documents.append(Document(example_id, example_id, labels[parts[-2]], text, split=parts[-3]))
    found = Counter(document.split for document in documents)
    return TextListing(with_count_note(OHSUMED.card, OHSUMED, found), documents)


def _sms_spam(path: Path) -> TextListing:
    """Reads a message per line: its class, a tab, its text, in which a quote is no more than a character."""
    names = SMS_SPAM.card.class_names
    content = decode_text(read_zip_member(path, SMS_MEMBER), f"{path}: {SMS_MEMBER}")
    documents, bad = [], []
    for line, message in enumerate(content.split("\n"), 1):
        word, tab, text = message.partition("\t")
        if tab and word in names:
            documents.append(Document(f"line {line}", f"line {line}", names.index(word), text))
        elif message.strip():
            bad.append(line)
    if bad:
        raise UserError(
            f"{path}: {len(bad)} line(s) of {SMS_MEMBER} are not ham or spam, a tab and a text, the first is line "
            f"{bad[0]}: download it again"
        )
    found = Counter(names[document.label] for document in documents)
    return TextListing(with_count_note(SMS_SPAM.card, SMS_SPAM, found), documents)


def _medquad(path: Path) -> TextListing:
    """Reads every answer that was not withheld; what was left out is counted on the card."""
    pairs = [pair for name, content in tar_files(path) if name.endswith(".xml") for pair in _pairs(path, name, content)]
    class_names = sorted({kind for _, _, kind, answer in pairs if answer})
    answered = [
        Document(example_id, group_id, class_names.index(kind), answer)
        for example_id, group_id, kind, answer in pairs
        if answer
    ]
    documents, repeats = without_repeats(answered)
    notes = (
        f"{len(pairs) - len(answered)} of {len(pairs)} answers are empty, most of them withheld by their publishers, "
        f"and {repeats} repeat another word for word: they are left out.",
    )
    card = replace(MEDQUAD.card, class_names=tuple(class_names), notes=MEDQUAD.card.notes + notes)
    card = with_count_note(card, MEDQUAD, {"question-answer pairs": len(pairs)})
    return without_rare_classes(documents, card)


def _pairs(path: Path, name: str, content: bytes) -> Iterator[tuple[str, str, str, str]]:
    """Yields example id, document, question type and answer ("" if withheld) of one file."""
    try:
        root = fromstring(content, forbid_dtd=True)
    except DefusedXmlException:
        raise UserError(f"{path}: {name} declares a DTD or entities, which can run wild: the file is refused") from None
    except ParseError as error:
        line, column = error.position  # not its text, which may repeat the file's
        raise UserError(f"{path}: {name} is no XML from line {line}, column {column}: download it again") from None
    except (ValueError, LookupError):
        raise UserError(f"{path}: {name} is XML in an unknown encoding: download it again") from None
    document = "/".join(PurePosixPath(name).with_suffix("").parts[-2:])
    pairs = [pair for pair in root.iter() if pair.tag in PAIR_TAGS]
    for number, pair in enumerate(pairs, 1):
        question, answer = (pair.find(tag) for tag in PAIR_TAGS[pair.tag])
        kind = "" if question is None else question.get("qtype", "")
        if not kind or answer is None:
            raise UserError(f"{path}: {name}, pair {number} has no question type or no answer: download it again")
        yield f"{document}-{number}", document, kind, "".join(answer.itertext()).strip()
