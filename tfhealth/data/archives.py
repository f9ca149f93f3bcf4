"""Files as their publishers distribute them: where they lie, and zips and tars read in place, never extracted."""

import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from tfhealth.errors import UserError

LARGEST_MEMBER_BYTES = 2**28  # of what is read whole; more is no text, or a zip bomb
# What zipfile raises for damage: also of offsets (OSError), flags (RuntimeError, NotImplementedError) and names.
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, OverflowError, struct.error)
TAR_ERRORS = (tarfile.TarError, EOFError, zlib.error, OSError)  # gzip.BadGzipFile is an OSError


def data_folder(data_dir: Path | None) -> Path:
    """Returns where data-set files lie or are downloaded to: data_dir, else $TFHEALTH_DATA, else ~/.cache/tfhealth."""
    given = data_dir or os.environ.get("TFHEALTH_DATA") or Path.home() / ".cache" / "tfhealth"
    return Path(given).expanduser()


def find_file(folder: Path, room: str, names: Sequence[str]) -> Path | None:
    """Returns the first of `names` that is in folder/room, else in folder, else None."""
    places = (place / name for place in (folder / room, folder) for name in names)
    return next((place for place in places if place.is_file()), None)


def zip_members(path: Path) -> dict[str, str]:
    """Returns base name -> member of a zip; folders and __MACOSX are left out.

    Raises:
        UserError: not a zip, truncated, or a member's name leads out of its folder.
    """
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
    except ZIP_ERRORS as error:
        raise UserError(f"{path} is no zip file or truncated ({error}): download it again") from None
    for name in names:
        _check_name(path, name)
    kept = (name for name in names if not name.endswith("/") and not name.startswith("__MACOSX"))
    return {PurePosixPath(name).name: name for name in kept}


def read_zip_member(path: Path, name: str) -> bytes:
    """Returns the member with this base name.

    Raises:
        UserError: as `zip_members`, or the member is absent, damaged or too large.
    """
    members = zip_members(path)
    if name not in members:
        raise UserError(f"{path} has no member {name}: download it again")
    with damage_named(path, name), zipfile.ZipFile(path) as file:
        _check_size(path, members[name], file.getinfo(members[name]).file_size)
        return file.read(members[name])


@contextmanager
def damage_named(path: Path, name: str) -> Iterator[None]:
    """Turns what zipfile raises for a damaged member into a UserError that names it."""
    try:
        yield
    except ZIP_ERRORS as error:
        raise UserError(f"{path}: {name} is damaged ({error}): download it again") from None


def tar_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yields name and content of each file in a .tar.gz, in its order; hidden files are left out.

    Raises:
        UserError: not a .tar.gz, truncated, or a member that leads out of its folder, is a link, or is too large.
    """
    try:
        with tarfile.open(path, "r:gz") as file:
            for member in file:
                _check_name(path, member.name)
                if not (member.isfile() or member.isdir()):
                    raise UserError(f"{path}: member {member.name!r} is a link or a device: the file is refused")
                _check_size(path, member.name, member.size)
                if member.isfile() and not PurePosixPath(member.name).name.startswith("."):
                    yield member.name, file.extractfile(member).read()
            while file.fileobj.read(2**16):  # what follows the last member; at its end gzip compares the checksum
                pass
    except TAR_ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} is no .tar.gz file or truncated ({reason}): download it again") from None


def _check_name(path: Path, name: str) -> None:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or name.startswith(("/", "\\")) or name[1:2] == ":":
        raise UserError(f"{path}: member {name!r} leads out of its folder: the file is refused, download it again")


def _check_size(path: Path, name: str, size: int) -> None:
    if size > LARGEST_MEMBER_BYTES:
        raise UserError(f"{path}: member {name!r} has {size} bytes unpacked: the file is refused, download it again")
