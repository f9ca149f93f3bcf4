"""Downloads: whole, checked, or one clear line."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tfhealth.data.download import download
from tfhealth.errors import UserError


def one_line(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Serves a folder on loopback."""
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_download_checks_its_md5_and_leaves_nothing_when_it_is_wrong(tmp_path, served):
    folder, url = served
    (folder / "a.npz").write_bytes(b"abc")
    target = tmp_path / "to" / "a.npz"
    with pytest.raises(UserError, match="has MD5 900150983cd24fb0d6963f7d28e17f72, its publisher says 0000"):
        download(f"{url}/a.npz", target, "0000")
    assert list(target.parent.iterdir()) == []
    assert download(f"{url}/a.npz", target, "900150983cd24fb0d6963f7d28e17f72").read_bytes() == b"abc"  # RFC 1321


def test_download_checks_its_sha256(tmp_path, served):
    folder, url = served
    (folder / "a.zip").write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    with pytest.raises(UserError, match=f"has SHA-256 {digest}, its publisher says 0000"):
        download(f"{url}/a.zip", tmp_path / "a.zip", sha256="0000")
    assert download(f"{url}/a.zip", tmp_path / "a.zip", sha256=digest).read_bytes() == b"abc"


def test_failed_download_is_one_line_with_url_and_target(tmp_path, served):
    url = f"{served[1]}/gone.npz"
    with pytest.raises(UserError) as error:
        download(url, tmp_path / "gone.npz")
    text = one_line(error)
    assert url in text
    assert str(tmp_path / "gone.npz") in text
    assert "404" in text
