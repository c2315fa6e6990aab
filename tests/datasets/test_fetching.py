import hashlib
import http.client
import io
import urllib.error
from pathlib import Path

import pytest

from skmtl.datasets import get_data_home
from skmtl.datasets.fetching import cached_file, dataset_files
from skmtl.datasets.registry import ADDRESSES, REGISTRY, RemoteFile

CONTENT = b"1,2\n3,4\n"
FILE = RemoteFile(
    "part/table.csv", hashlib.sha256(CONTENT).hexdigest(), "https://example.org/a/table.csv"
)


class Response(io.BytesIO):
    """What urlopen answers."""

    def __init__(self, content, url=FILE.url, length=None):
        super().__init__(content)
        self.url = url
        self.headers = {} if length is None else {"Content-Length": str(length)}

    def geturl(self):
        return self.url


class Broken(Response):
    """An answer that ends after its first bytes with an error."""

    def __init__(self, error):
        super().__init__(b"1,2")
        self.error = error

    def read(self, size=-1):
        return super().read(size) or self._fail()

    def _fail(self):
        raise self.error


@pytest.fixture
def answer(monkeypatch):
    """Replaces the network by one answer; returns the list of requests."""
    requests = []

    def use(response):
        def urlopen(request, timeout):
            assert timeout > 0
            requests.append(request.full_url)
            if isinstance(response, Exception):
                raise response
            return response

        monkeypatch.setattr("urllib.request.urlopen", urlopen)
        return requests

    return use


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_success_is_cached(tmp_path, answer):
    requests = answer(Response(CONTENT, length=len(CONTENT)))
    path = cached_file(FILE, tmp_path / "new", download_if_missing=True)
    assert path == tmp_path / "new" / "part" / "table.csv"
    assert path.read_bytes() == CONTENT
    assert files_in(tmp_path) == [path]
    assert cached_file(FILE, tmp_path / "new", download_if_missing=True) == path
    assert requests == [FILE.url]


def test_wrong_download_leaves_nothing(tmp_path, answer):
    answer(Response(b"something else"))
    with pytest.raises(OSError, match=f"expected {FILE.sha256}.*Nothing was kept"):
        cached_file(FILE, tmp_path, download_if_missing=True)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    "response",
    [
        Broken(ConnectionResetError("reset")),
        Broken(http.client.IncompleteRead(b"", 5)),
        Response(b"1,2", length=len(CONTENT)),
        urllib.error.URLError("no route"),
        TimeoutError("timed out"),
    ],
    ids=["reset", "incomplete", "short", "no network", "timeout"],
)
def test_failed_download_leaves_nothing_and_says_what_to_do(tmp_path, answer, response):
    answer(response)
    with pytest.raises(OSError) as caught:
        cached_file(FILE, tmp_path, download_if_missing=True)
    assert files_in(tmp_path) == []
    message = str(caught.value)
    for part in ("table.csv", FILE.url, FILE.sha256, str(tmp_path / FILE.name), "SKMTL_DATA"):
        assert part in message


def test_interrupted_download_leaves_nothing(tmp_path, answer):
    answer(Broken(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        cached_file(FILE, tmp_path, download_if_missing=True)
    assert files_in(tmp_path) == []


def test_redirect_must_be_https(tmp_path, answer):
    answer(Response(CONTENT, url="http://example.org/table.csv"))
    with pytest.raises(OSError, match=r"http://example\.org/table\.csv is not an https address"):
        cached_file(FILE, tmp_path, download_if_missing=True)
    assert files_in(tmp_path) == []


def test_address_must_be_https(tmp_path, answer):
    requests = answer(Response(CONTENT))
    with pytest.raises(OSError, match="not an https address"):
        cached_file(RemoteFile("a", FILE.sha256, "file:///etc/hosts"), tmp_path, True)
    assert requests == []


def test_missing_file_without_download(tmp_path, answer):
    requests = answer(Response(CONTENT))
    with pytest.raises(OSError, match="download_if_missing=False") as caught:
        cached_file(FILE, tmp_path / "absent", download_if_missing=False)
    assert FILE.url in str(caught.value)
    assert requests == []
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("download_if_missing", [True, False])
def test_damaged_cache_is_an_error(tmp_path, answer, download_if_missing):
    requests = answer(Response(CONTENT))
    path = tmp_path / FILE.name
    path.parent.mkdir()
    path.write_bytes(b"damaged")
    found = hashlib.sha256(b"damaged").hexdigest()
    with pytest.raises(OSError, match=f"{found}, expected {FILE.sha256}.*Delete it") as caught:
        cached_file(FILE, tmp_path, download_if_missing)
    assert str(path) in str(caught.value)
    assert requests == []
    assert path.read_bytes() == b"damaged"


def test_data_home(monkeypatch, tmp_path):
    monkeypatch.setenv("SKMTL_DATA", str(tmp_path))
    assert get_data_home() == tmp_path
    assert get_data_home("~/elsewhere") == Path("~/elsewhere").expanduser()
    monkeypatch.delenv("SKMTL_DATA")
    assert get_data_home() == Path.home() / "skmtl_data"
    monkeypatch.setenv("SKMTL_DATA", "")
    assert get_data_home() == Path.home() / "skmtl_data"


def test_environment_decides_where_files_are_sought(monkeypatch, tmp_path):
    monkeypatch.setenv("SKMTL_DATA", str(tmp_path))
    with pytest.raises(OSError, match=r"hour\.csv") as caught:
        dataset_files("bike", download_if_missing=False)
    assert str(tmp_path / "bike" / "hour.csv") in str(caught.value)


def test_registry_is_complete():
    assert set(REGISTRY) == set(ADDRESSES)
    files = [file for entry in REGISTRY.values() for file in entry]
    assert len({file.url for file in files}) == len(files)
    for file in files:
        assert len(bytes.fromhex(file.sha256)) == 32
        # raw file of a repository at a pinned commit
        assert file.url.startswith("https://raw.githubusercontent.com/")
        assert len(bytes.fromhex(file.url.split("/")[5])) == 20
