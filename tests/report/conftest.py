"""The made-up run that the tests of the report start from."""

import pytest

from tests.report.made_up_run import save_part
from tfhealth.report.sections import SECTIONS


@pytest.fixture
def exports(tmp_path):
    """exports/<run> of a made-up run with all five parts."""
    folder = tmp_path / "exports" / "made_up"
    for section in SECTIONS:
        save_part(folder, section)
    return folder
