"""Files of public data sets: where they are cached, how they are downloaded and verified."""

import hashlib
import http.client
import os
import urllib.request
import uuid
from pathlib import Path

from skmtl.datasets.registry import REGISTRY

TIMEOUT = 60.0  # seconds without an answer
CHUNK = 1 << 20  # bytes


def get_data_home(data_home=None):
    """Folder where the fetchers cache files, as ``<data_home>/<data set>/<file>``.

    The folder is not created here: a download creates what it needs.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder. If None, the environment variable ``SKMTL_DATA``, and if that is not set
        either, ``~/skmtl_data``.

    Returns
    -------
    data_home : pathlib.Path
        The folder, with ``~`` expanded.

    Examples
    --------
    >>> from skmtl.datasets import get_data_home
    >>> get_data_home("cache").name
    'cache'
    """
    if data_home is None:
        data_home = os.environ.get("SKMTL_DATA") or "~/skmtl_data"
    return Path(data_home).expanduser()


def dataset_files(name, *, data_home=None, download_if_missing=True, only=None):
    """Paths of the verified files of a data set, downloaded where they are missing.

    Parameters
    ----------
    name : str
        Key of the registry and name of the folder.
    data_home : str or path-like, default=None
        See :func:`get_data_home`.
    download_if_missing : bool, default=True
        Whether to download what is not in the cache.
    only : sequence of str, default=None
        Names of the files that are needed; None means all.

    Returns
    -------
    paths : dict of str to pathlib.Path
        Path by the name of the file.

    Raises
    ------
    OSError
        If a file is missing and cannot be downloaded, or is not the published one.
    """
    folder = get_data_home(data_home) / name
    return {
        file.name: cached_file(file, folder, download_if_missing)
        for file in REGISTRY[name]
        if only is None or file.name in only
    }


def cached_file(file, folder, download_if_missing):
    """Path of one verified file; `file` is a registry entry."""
    path = folder / file.name
    if not path.exists():
        if not download_if_missing:
            raise OSError(
                f"{path} is missing, and download_if_missing=False forbids to download it. "
                + by_hand(file, path)
            )
        download(file, path)
    elif (found := sha256(path)) != file.sha256:
        raise OSError(
            f"{path} is not the published file: its SHA-256 is {found}, expected {file.sha256}. "
            "It may be damaged or of another version. Delete it, and it is downloaded again."
        )
    return path


def download(file, path):
    """Download to a temporary name in the folder of `path`, verify, then move into place."""
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            transfer(file.url, partial)
        except (OSError, http.client.HTTPException) as error:
            raise OSError(
                f"cannot download {path.name}: {error!r}. " + by_hand(file, path)
            ) from error
        if (found := sha256(partial)) != file.sha256:
            raise OSError(
                f"{file.url} gave another file than the published one: its SHA-256 is {found}, "
                f"expected {file.sha256}. Nothing was kept; try again. " + by_hand(file, path)
            )
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def transfer(url, path):
    """Write what the address answers to a new file; https only, redirects included."""
    require_https(url)
    request = urllib.request.Request(url, headers={"User-Agent": "skmtl"})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        require_https(response.geturl())
        length = response.headers.get("Content-Length")
        received = 0
        with open(path, "xb") as file:
            while chunk := response.read(CHUNK):
                received += file.write(chunk)
    # read(amount) ends quietly when the connection drops
    if length is not None and received != int(length):
        raise OSError(f"the connection ended after {received} of {length} bytes")


def require_https(url):
    """Raise an OSError unless the address is an https one."""
    if not url.startswith("https://"):
        raise OSError(f"{url} is not an https address")


def sha256(path):
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def by_hand(file, path):
    """How to place a file without this module."""
    return (
        f"To place it by hand, download {file.url} (SHA-256 {file.sha256}) and save it as {path}; "
        "data_home and the environment variable SKMTL_DATA choose another folder."
    )
