"""report.html: one file, readable without any other."""

import re
import shutil
from html.parser import HTMLParser

import pytest

from tests.report.made_up_run import COMMANDS
from tfhealth.report.content import assemble
from tfhealth.report.html import write_html
from tfhealth.report.sections import SECTIONS


class Tags(HTMLParser):
    """Collects start tags, and checks that every tag is closed in order."""

    VOID = ("meta", "img", "br")

    def __init__(self):
        super().__init__()
        self.found, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(exports):
    path = exports / "report.html"
    write_html(assemble(exports, COMMANDS), exports, path)
    html = path.read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(html)
    assert not tags.open
    return html, tags.found


@pytest.fixture
def page(exports):
    return read(exports)


def test_nothing_is_loaded_from_elsewhere(page):
    html, tags = page
    assert not {"script", "link", "iframe"} & {tag for tag, _ in tags}
    for _, attributes in tags:
        assert attributes.get("src", "data:").startswith("data:")
        assert attributes.get("href", "#").startswith("#")
    assert "url(" not in html
    assert "@import" not in html


def test_every_figure_is_there_with_alternative_text(page):
    images = [attributes for tag, attributes in page[1] if tag == "img"]
    assert len(images) == sum(len(section.figures) for section in SECTIONS)
    assert all(image["alt"].strip() for image in images)


def test_page_fits_a_phone(page):
    html, tags = page
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in tags
    assert html.count("<table") == html.count('<div class="wide"')  # scrolls by itself


def test_every_reference_leads_somewhere(page):
    _, tags = page
    ids = {attributes["id"] for _, attributes in tags if "id" in attributes}
    links = {attributes["href"][1:] for tag, attributes in tags if tag == "a"}
    assert links <= ids
    assert {one for one in ids if one.startswith(("fig-", "tab-"))} <= links


def test_names_are_escaped(page):
    assert "Phantom &lt;of&gt; #strange *marks*" in page[0]
    assert "<of>" not in page[0]


def test_headings_and_recommendations_are_there(page):
    html = page[0]
    for section in SECTIONS:
        assert f"<h2>Part {section.number}: {section.title}</h2>" in html
    assert re.search(r"<ol><li>Collect 158", html)


def test_missing_part_says_its_command(exports):
    shutil.rmtree(exports / "part1")
    assert COMMANDS["part1"] in read(exports)[0]
