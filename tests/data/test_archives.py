"""Archives read in place: what leads out of its folder, is a link or is cut short is refused in one line."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tfhealth.data import archives
from tfhealth.errors import UserError


def tar(path: Path, **members: bytes) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
    return path


def test_file_is_found_in_its_room_before_the_folder_itself(tmp_path):
    assert archives.find_file(tmp_path, "room", ["a", "b"]) is None
    (tmp_path / "b").touch()
    assert archives.find_file(tmp_path, "room", ["a", "b"]) == tmp_path / "b"
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "b").touch()
    assert archives.find_file(tmp_path, "room", ["a", "b"]) == tmp_path / "room" / "b"


def test_data_folder_is_the_given_one_else_the_variable_else_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHEALTH_DATA", str(tmp_path))
    assert archives.data_folder(Path("here")) == Path("here")
    assert archives.data_folder(None) == tmp_path
    monkeypatch.delenv("TFHEALTH_DATA")
    assert archives.data_folder(None) == Path.home() / ".cache" / "tfhealth"


def test_tar_files_are_read_in_order_and_nothing_is_extracted(tmp_path):
    path = tar(tmp_path / "a.tar.gz", **{"set/b": b"1", "set/a": b"2", "set/.DS_Store": b"3"})
    assert list(archives.tar_files(path)) == [("set/b", b"1"), ("set/a", b"2")]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("member", ["../outside", "/etc/outside", "a/../../b", "C:\\b", "..\\b"])
def test_tar_member_that_leaves_its_folder_is_refused(tmp_path, member):
    path = tar(tmp_path / "a.tar.gz", **{"set/a": b"1", member: b"2"})
    with pytest.raises(UserError, match="leads out of its folder"):
        list(archives.tar_files(path))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_tar_link_or_device_is_refused(tmp_path, kind):
    entry = tarfile.TarInfo("set/link")
    entry.type, entry.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as file:
        file.addfile(entry)
    with pytest.raises(UserError, match="is a link or a device"):
        list(archives.tar_files(tmp_path / "a.tar.gz"))


def test_tar_whose_checksum_is_wrong_is_one_line(tmp_path):
    path = tar(tmp_path / "a.tar.gz", **{"set/a": b"1"})
    content = bytearray(path.read_bytes())
    content[-8] ^= 1  # of gzip's CRC-32
    path.write_bytes(content)
    with pytest.raises(UserError, match="CRC check failed"):
        list(archives.tar_files(path))


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.7, 0.99, 0.9999])
def test_truncated_tar_is_one_line_wherever_it_ends(tmp_path, share):
    rng = np.random.default_rng(0)
    path = tar(tmp_path / "a.tar.gz", **{f"set/{i}": rng.bytes(3000) for i in range(9)})
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(UserError, match=r"is no \.tar\.gz file or truncated") as error:
        list(archives.tar_files(path))
    assert "\n" not in str(error.value)


def test_zip_member_is_read_by_its_base_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("set/table", b"content")
    assert archives.read_zip_member(tmp_path / "a.zip", "table") == b"content"
    with pytest.raises(UserError, match="has no member other"):
        archives.read_zip_member(tmp_path / "a.zip", "other")


def test_damaged_zip_member_is_one_line(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("table", b"content")
    (tmp_path / "a.zip").write_bytes((tmp_path / "a.zip").read_bytes().replace(b"content", b"c0ntent"))
    with pytest.raises(UserError, match=r"table is damaged \(Bad CRC-32"):
        archives.read_zip_member(tmp_path / "a.zip", "table")


def test_member_that_unpacks_to_too_much_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_MEMBER_BYTES", 999)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("table", bytes(1000))
    with pytest.raises(UserError, match="has 1000 bytes unpacked"):
        archives.read_zip_member(tmp_path / "a.zip", "table")
    with pytest.raises(UserError, match="has 1000 bytes unpacked"):
        list(archives.tar_files(tar(tmp_path / "a.tar.gz", **{"set/a": bytes(1000)})))
