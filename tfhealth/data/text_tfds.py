"""TFDS text classification sets (tfds:NAME), prepared offline in `data_dir`/tfds or downloaded by TFDS itself."""

from dataclasses import replace

from tfhealth.data.tables import decode_text
from tfhealth.data.text_source import Document, TextListing, TextOptions, TextSource
from tfhealth.data.tfds_sets import open_tfds
from tfhealth.errors import UserError


def find_tfds(name: str, options: TextOptions) -> TextSource:
    """Returns tfds:NAME (also NAME/config:version), a set with a text and a label."""
    return TextSource(f"tfds:{name}", lambda: _listing(name, options))


def _listing(name: str, options: TextOptions) -> TextListing:
    opened = open_tfds(name, options.folder / "tfds", "text")
    documents, unlabelled = [], 0
    for example_id, split, content, label in opened.rows():
        if not isinstance(content, bytes):
            raise UserError(f"tfds:{name}: {opened.input_key!r} is no text: choose a text classification set")
        if label < 0:  # TFDS marks "no label", as in some test splits, by -1
            unlabelled += 1
            continue
        text = decode_text(content, f"tfds:{name} {example_id}")
        documents.append(Document(example_id, example_id, label, text, split=split))
    note = (f"{unlabelled} texts have no label and were left out.",) if unlabelled else ()
    return TextListing(replace(opened.card, group_unit="document", notes=note), documents)
