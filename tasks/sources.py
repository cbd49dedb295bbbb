"""Pinned files of public repositories: brought once, kept in a cache, verified every time.

A file is looked for in the mirror folder (``SMALLCLAIMS_MIRROR``), then in the cache
(``SMALLCLAIMS_CACHE``, by default ``~/.cache/smallclaims``), then at its home. All three lay it out
as ``github.com/<owner>/<repo>/<commit>/<path>``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from bench.types import BenchError

HOME = "https://raw.githubusercontent.com"
TIMEOUT_S = 30.0  # to connect, and between two pieces of the answer
_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Source:
    """One file at one commit. `commit`: 40 hex digits. `path`: relative, with forward slashes.
    `sha256`: 64 hex digits. Raises BenchError when a part is not what it should be."""

    owner: str
    repo: str
    commit: str
    path: str
    sha256: str

    def __post_init__(self) -> None:
        names = (self.owner, self.repo, *self.path.split("/"))
        plain = all(_NAME.fullmatch(name) and name not in (".", "..") for name in names)
        pinned = re.fullmatch("[0-9a-f]{40}", self.commit)
        summed = re.fullmatch("[0-9a-f]{64}", self.sha256)
        if not (plain and pinned and summed):
            raise BenchError(
                f"{self} is no pinned file: names of letters, digits, '.', '_' and '-', a commit "
                "of 40 and a sha256 of 64 hex digits expected"
            )

    @property
    def place(self) -> PurePosixPath:
        """Where the file lies in a mirror or in the cache."""
        return PurePosixPath("github.com", self.owner, self.repo, self.commit, self.path)


def pinned(owner: str, repo: str, commit: str, sums: str) -> dict[str, Source]:
    """Path -> source, from the file `sums` beside this one (lines ``sha256  path``)."""
    lines = files("tasks").joinpath(sums).read_text(encoding="utf-8").splitlines()
    pairs = [line.split(maxsplit=1) for line in lines if line]
    return {path: Source(owner, repo, commit, path, sha256) for sha256, path in pairs}


def fetch(source: Source, *, home: str = HOME) -> Path:
    """A local file with the content that `source` pins.

    `home`: base URL of the downloads. Raises BenchError when the file cannot be had, or when what
    was found is not what is pinned. A damaged file in the cache is brought again.
    """
    mirrored = _mirrored(source)
    if mirrored is not None:
        found = _sha256(mirrored)
        if found != source.sha256:
            raise _wrong(str(mirrored), source, found, "Repair the mirror.")
        return mirrored
    cached = _cache() / "sources" / source.place
    if cached.is_file():
        if _sha256(cached) == source.sha256:
            return cached
        cached.unlink(missing_ok=True)
    return _download(source, cached, home)


def read_json(source: Source) -> Any:
    """The content of a pinned JSON file. Raises what `fetch` raises."""
    return json.loads(fetch(source).read_bytes())


def mirror_folder() -> Path | None:
    """The folder that replaces the network, if there is one. Raises BenchError when
    SMALLCLAIMS_MIRROR names something else."""
    folder = os.environ.get("SMALLCLAIMS_MIRROR")
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise BenchError(
            f"SMALLCLAIMS_MIRROR is {folder!r}, which is not a folder; a folder with github.com or "
            "huggingface.co in it expected. Set it right, or unset it to use the network."
        )
    return Path(folder)


def _mirrored(source: Source) -> Path | None:
    """The file in the mirror; None without a mirror, or when the mirror does not have it."""
    folder = mirror_folder()
    path = folder / source.place if folder else None
    return path if path and path.is_file() else None


def _cache() -> Path:
    folder = os.environ.get("SMALLCLAIMS_CACHE")
    return Path(folder) if folder else Path.home() / ".cache" / "smallclaims"


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BenchError(f"{path} cannot be read: {error.strerror}. Make it readable.") from error


def _wrong(where: str, source: Source, found: str, advice: str) -> BenchError:
    return BenchError(
        f"{where} is not the pinned {source.path} of {source.owner}/{source.repo}: sha256 "
        f"{source.sha256} expected, {found} found. {advice}"
    )


def _download(source: Source, target: Path, home: str) -> Path:
    """Download to a temporary file in the target's folder, verify, then rename: under its own name
    a file is always whole and right."""
    url = f"{home}/{source.owner}/{source.repo}/{source.commit}/{quote(source.path)}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(suffix=".part", dir=target.parent)
    except OSError as error:
        raise BenchError(
            f"the cache folder {target.parent} cannot be written ({error.strerror}). "
            "Set SMALLCLAIMS_CACHE to a folder that can."
        ) from error
    part = Path(name)
    try:
        found = _receive(source, url, descriptor)
        if found != source.sha256:
            raise _wrong(url, source, found, "It was not kept. A proxy may have changed it.")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _receive(source: Source, url: str, descriptor: int) -> str:
    """Write what `url` answers into an open file, which is closed; its sha256."""
    import httpx

    digest = hashlib.sha256()
    try:
        with (
            os.fdopen(descriptor, "wb") as file,
            httpx.stream("GET", url, timeout=TIMEOUT_S) as answer,
        ):
            answer.raise_for_status()
            for piece in answer.iter_bytes():
                digest.update(piece)
                file.write(piece)
    except httpx.HTTPStatusError as error:
        raise _out_of_reach(source, url, f"HTTP {error.response.status_code}") from error
    except (httpx.HTTPError, OSError) as error:
        raise _out_of_reach(source, url, str(error) or type(error).__name__) from error
    return digest.hexdigest()


def _out_of_reach(source: Source, url: str, reason: str) -> BenchError:
    return BenchError(
        f"{url} cannot be had ({reason}): connect this machine to the network, or set "
        f"SMALLCLAIMS_MIRROR to a folder with {source.place} in it."
    )
