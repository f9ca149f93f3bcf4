"""Downloads of published files: with a progress bar, checked, and never half there."""

import hashlib
import http.client
import urllib.error
import urllib.request
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from tfhealth.console import CONSOLE
from tfhealth.errors import UserError
from tfhealth.paths import atomic_path

CHUNK_BYTES = 2**18
TIMEOUT_SECONDS = 30  # without any byte arriving


def download(url: str, target: Path, md5: str | None = None, sha256: str | None = None) -> Path:
    """Returns `target` with the content of `url`; it appears only when it is complete and its checksum is right.

    Args:
        md5, sha256: the publisher's checksum in hex; None accepts any content.

    Raises:
        UserError: not reachable, cut short, another checksum, or the folder cannot be written; names URL and target.
    """
    advice = f"download {url} yourself and put it at {target}"
    try:
        with atomic_path(target) as temporary:
            found = _fetch(url, temporary)
            for kind, published in {"MD5": md5, "SHA-256": sha256}.items():
                if published not in (None, found[kind]):
                    raise UserError(
                        f"{target.name} from {url} has {kind} {found[kind]}, its publisher says {published}: {advice}"
                    )
    except (OSError, http.client.HTTPException, ValueError) as error:  # URLError and timeouts are OSErrors
        raise UserError(f"cannot download {url} ({_reason(error)}): {advice}") from error
    return target


def _fetch(url: str, path: Path) -> dict[str, str]:
    """Returns the checksums of what was written to `path`, in hex."""
    digests = {"MD5": hashlib.md5(usedforsecurity=False), "SHA-256": hashlib.sha256()}
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=CONSOLE,
        transient=True,
        disable=not CONSOLE.is_terminal,
    )
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response, path.open("wb") as file, bar:
        size = response.headers.get("Content-Length")
        task = bar.add_task(f"downloading {url.rsplit('/', 1)[-1].split('?')[0]}", total=int(size) if size else None)
        while chunk := response.read(CHUNK_BYTES):
            file.write(chunk)
            for digest in digests.values():
                digest.update(chunk)
            bar.advance(task, len(chunk))
        if size and file.tell() != int(size):
            raise OSError(f"cut short: {file.tell()} of {size} bytes")
    return {kind: digest.hexdigest() for kind, digest in digests.items()}


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()  # it holds the connection
        reason: object = error
    else:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return " ".join(str(reason).split()) or type(error).__name__
