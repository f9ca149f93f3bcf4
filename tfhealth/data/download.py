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


def download(url: str, target: Path, md5: str | None = None) -> Path:
    """Returns `target` with the content of `url`; it appears only when it is complete and its MD5 is right.

    Args:
        md5: the publisher's checksum in hex; None accepts any content.

    Raises:
        UserError: not reachable, cut short, another checksum, or the folder cannot be written; names URL and target.
    """
    advice = f"download {url} yourself and put it at {target}"
    try:
        with atomic_path(target) as temporary:
            found = _fetch(url, temporary)
            if md5 is not None and found != md5:
                raise UserError(f"{target.name} from {url} has MD5 {found}, its publisher says {md5}: {advice}")
    except (OSError, http.client.HTTPException, ValueError) as error:  # URLError and timeouts are OSErrors
        raise UserError(f"cannot download {url} ({_reason(error)}): {advice}") from error
    return target


def _fetch(url: str, path: Path) -> str:
    """Returns the MD5 of what was written to `path`."""
    digest = hashlib.md5(usedforsecurity=False)
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
            digest.update(chunk)
            bar.advance(task, len(chunk))
        if size and file.tell() != int(size):
            raise OSError(f"cut short: {file.tell()} of {size} bytes")
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()  # it holds the connection
        reason: object = error
    else:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return " ".join(str(reason).split()) or type(error).__name__
