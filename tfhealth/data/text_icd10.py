"""ICD-10-CM: the texts of its codes, as the package simple_icd_10_cm carries them, to their chapters."""

import importlib.metadata
import importlib.util
import warnings
from dataclasses import replace

from tfhealth.data.text_cards import ICD10CM
from tfhealth.data.text_source import Document, TextListing, TextOptions, TextSource, without_repeats
from tfhealth.errors import UserError

PACKAGE = "simple_icd_10_cm"


def find_icd10cm(_: TextOptions) -> TextSource:
    """Returns the source; UserError if the package is not installed."""
    if importlib.util.find_spec(PACKAGE) is None:
        raise UserError(f"icd10cm needs the Python package {PACKAGE}: pip install {PACKAGE}")
    return TextSource("icd10cm", _listing)


def _listing() -> TextListing:
    documents, repeats = without_repeats(_documents())
    notes = (
        f"The texts are those of {PACKAGE} {importlib.metadata.version(PACKAGE)}; {repeats} that repeat another word "
        "for word are left out.",
    )
    return TextListing(replace(ICD10CM.card, notes=ICD10CM.card.notes + notes), documents)


def _documents() -> list[Document]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # importlib's, on how the package reads its own files
        import simple_icd_10_cm as icd  # takes two seconds: it reads the whole classification

    documents, chapter = [], 0
    for code in icd.get_all_codes(with_dots=True):  # a chapter, then all that is in it
        if icd.is_chapter(code):
            chapter = int(code)
            continue
        is_code = icd.is_category(code) or icd.is_subcategory(code, include_extended_subcategories=False)
        if chapter > len(ICD10CM.card.class_names) or not is_code:
            continue
        texts = [icd.get_description(code), *icd.get_inclusion_term(code)]
        for number, text in enumerate(texts):
            example_id = f"{code}/{number}" if number else code
            documents.append(Document(example_id, code[:3], chapter - 1, text))
    return documents
