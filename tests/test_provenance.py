"""The record of how a part was made."""

import pytest

from tfhealth import provenance
from tfhealth.errors import UserError
from tfhealth.provenance import has_int8_dot_products, machine, read_record, recorded


def test_record_keeps_command_seed_and_what_the_machine_is(tmp_path):
    with recorded(tmp_path, "part1", "python -m tfhealth.run part1", 3):
        pass
    record = read_record(tmp_path, "part1")
    assert (record.command, record.seed, record.starts, record.finished) == ("python -m tfhealth.run part1", 3, 1, True)
    assert record.machine == machine()
    assert record.versions["tensorflow"]


def test_second_start_adds_its_time(tmp_path):
    for _ in range(2):
        with recorded(tmp_path, "part1", "", 0):
            pass
    assert read_record(tmp_path, "part1").starts == 2


def test_start_that_fails_is_recorded_as_unfinished(tmp_path):
    with pytest.raises(KeyError), recorded(tmp_path, "part1", "", 0):
        raise KeyError
    assert not read_record(tmp_path, "part1").finished


def test_part_without_a_record_has_none(tmp_path):
    assert read_record(tmp_path, "part1") is None


def test_part_that_was_begun_without_determinism_is_not_finished_with_it(tmp_path):
    """Its record would say of old stages what is true of the new ones only."""
    with recorded(tmp_path, "part2", "tfhealth.run part2", 0):
        pass
    with (
        pytest.raises(UserError, match="begun without --deterministic"),
        recorded(tmp_path, "part2", "tfhealth.run part2 --deterministic", 0),
    ):
        pass
    with recorded(tmp_path, "part3", "tfhealth.run part3 --deterministic", 0):
        pass
    with recorded(tmp_path, "part3", "tfhealth.run part3 --deterministic", 0):
        pass
    assert read_record(tmp_path, "part3").starts == 2


def test_command_that_is_refused_before_it_wrote_anything_leaves_nothing(tmp_path):
    with pytest.raises(KeyError), recorded(tmp_path / "run", "part1", "", 0):
        raise KeyError
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_vnni", True),
        ("vmx flags\t: avx_vnni\nflags\t\t: fpu avx2", False),
        ("processor\t: 0\nFeatures\t: fp asimd asimddp", True),
        ("Features\t: fp asimd", False),
        ("processor\t: 0", None),
    ],
)
def test_instructions_for_8_bit_are_read_from_what_linux_says(lines, expected, monkeypatch, tmp_path):
    (tmp_path / "cpuinfo").write_text(lines)
    monkeypatch.setattr(provenance, "Path", lambda _: tmp_path / "cpuinfo")
    assert has_int8_dot_products() is expected
    (tmp_path / "cpuinfo").unlink()  # not Linux
    assert has_int8_dot_products() is None
    assert machine()["processor"]
