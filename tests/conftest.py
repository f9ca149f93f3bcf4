"""A finished run of Part 2, and one that is made up, that more than one test starts from."""

from dataclasses import replace

import pytest

from tests.report.made_up_run import save_part
from tfhealth import config
from tfhealth.config import PART2, Capacity
from tfhealth.report.sections import SECTIONS
from tfhealth.run import main

TINY = replace(
    PART2["quick"],
    image_size=32,
    phantom_size=1500,  # in validation ten cases of each sex, which Part 5 asks for
    capacities=(Capacity("resnet8", 2), Capacity("resnet8", 4)),
    size_fractions=(0.5, 1.0),
    study=replace(PART2["quick"].study, epochs=2, batch_size=16, resolutions=()),
    final=replace(PART2["quick"].final, epochs=2, batch_size=16, resolutions=()),
    trials=2,
    views=8,
    bootstrap_draws=30,
)


@pytest.fixture(scope="session")
def tiny_part2():
    """Settings for a phantom small enough to take a minute."""
    return TINY


@pytest.fixture(scope="session")
def part2_run(tmp_path_factory):
    """The working folder of a finished run of `part2`, named "tiny"; the data are in its folder "cache"."""
    work = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(config.PART2, "quick", TINY)
        patch.setenv("TFHEALTH_CACHE", str(work / "cache"))
        assert main(["part2", "--run", "tiny", "--workdir", str(work), "--debug"]) == 0
    return work


@pytest.fixture
def exports(tmp_path):
    """exports/<run> of a made-up run with all five parts."""
    folder = tmp_path / "exports" / "made_up"
    for section in SECTIONS:
        save_part(folder, section)
    return folder
