"""Which bytes a run's data came from: a SHA-256 for each file, or for what stands for them."""

from pathlib import Path

from tfhealth.data import notes, notes_phrases, phantom
from tfhealth.data.archives import find_file
from tfhealth.data.cache import file_checksum
from tfhealth.data.image import find_source
from tfhealth.data.image_source import ImageOptions
from tfhealth.data.text_cards import ICD10CM, MEDQUAD, MIMIC3, OHSUMED, SMS_SPAM
from tfhealth.data.text_source import TextOptions
from tfhealth.errors import UserError

GENERATORS = {"phantom": (phantom,), "notes": (notes, notes_phrases)}  # embedded data are their source files
TEXT_FILES = {facts.card.name: facts.files for facts in (ICD10CM, OHSUMED, SMS_SPAM, MEDQUAD, MIMIC3)}
NOT_HERE = "not here when the manifest was written"


def image_checksums(spec: str, options: ImageOptions) -> dict[str, str]:
    """Returns file (or data set) -> SHA-256 of an image source; NOT_HERE where its files cannot be found."""
    if spec in GENERATORS:
        return _generator(spec)
    try:
        return {spec.rpartition("/")[2]: find_source(spec, options).checksum}
    except (UserError, OSError):
        return {spec.rpartition("/")[2]: NOT_HERE}


def text_checksums(spec: str, options: TextOptions) -> dict[str, str]:
    """The same of a text source; of a TensorFlow Datasets or package source, which has no file here, nothing."""
    if spec in GENERATORS:
        return _generator(spec)
    if spec.startswith("csv:"):
        path = Path(spec.removeprefix("csv:"))
        return {path.name: file_checksum(path) if path.is_file() else NOT_HERE}
    paths = {file.name: find_file(options.folder, spec, [file.name]) for file in TEXT_FILES.get(spec, ())}
    return {name: NOT_HERE if path is None else file_checksum(path) for name, path in paths.items()}


def _generator(spec: str) -> dict[str, str]:
    paths = [Path(module.__file__) for module in GENERATORS[spec]]
    return {path.name: file_checksum(path) for path in paths}
