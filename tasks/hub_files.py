"""The files of a data set on the Hugging Face hub: brought once at one revision, and verified.

Looked for in the mirror (``SMALLCLAIMS_MIRROR``, laid out as
``huggingface.co/datasets/<owner>/<name>/<revision>/<path>``), then in the hub's own cache
(``HF_HOME``), then on the hub (``HF_ENDPOINT``), with the token in ``HF_TOKEN`` if there is one.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import random
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.types import BenchError
from tasks.sources import mirror_folder

ATTEMPTS = 5  # of a request that the hub asks to repeat
LONGEST_WAIT_S = 60.0
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class HubSource:
    """Where the rows of a data set are. `repo`: OWNER/NAME. `split`, `config`: as its README names
    them. `files`: patterns of what is brought, the README besides. `builder`: json, csv or parquet
    to read these files as they are, whatever the README says. `revision`: commit of 40 hex digits
    where one is known. `others`: the authors' further splits, each a task of its own (`split=`)."""

    repo: str
    split: str = "train"
    config: str | None = None
    files: tuple[str, ...] = ("*",)
    builder: str | None = None
    revision: str | None = None
    others: tuple[str, ...] = ()


def bring(source: HubSource) -> tuple[Path, str]:
    """A folder with the source's files, and the revision that they are of. Raises BenchError with
    what to do; a file that is cut or wrong is not kept."""
    return _mirrored(source) or _downloaded(source)


def _mirrored(source: HubSource) -> tuple[Path, str] | None:
    mirror = mirror_folder()
    folder = mirror / "huggingface.co/datasets" / source.repo if mirror else None
    if folder is None or not folder.is_dir():
        return None
    there = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if source.revision is None and len(there) > 1:
        raise BenchError(
            f"{folder} holds {len(there)} revisions: {', '.join(there)}. Name one with the option "
            "revision=."
        )
    revision = source.revision or (there[0] if there else "")
    return (folder / revision, revision) if revision in there else None


def _downloaded(source: HubSource) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not sys.stderr.isatty():
        disable_progress_bars()
    # It warns of a README without metadata, which is none of the user's business.
    logging.getLogger("huggingface_hub.repocard").setLevel(logging.ERROR)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            folder = Path(
                snapshot_download(
                    source.repo,
                    repo_type="dataset",
                    revision=source.revision,
                    allow_patterns=["README.md", *source.files],
                    endpoint=os.environ.get("HF_ENDPOINT"),
                    max_workers=2,
                )
            )
            break
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status not in _AGAIN or attempt == ATTEMPTS:
                raise _explained(source, error) from error
            time.sleep(_wait_s(error.response.headers.get("Retry-After"), attempt))
        except Exception as error:  # whatever the library's transport raises: it is told, in words
            raise _explained(source, error) from error
    paths = matching(folder, source.files)
    for path in paths:
        _verify(path, source)
    return folder, folder.name


def matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    """The files below `folder` that fit a pattern. Raises BenchError, with those that are there,
    when none does."""
    paths = sorted({p for pattern in patterns for p in folder.rglob(pattern) if p.is_file()})
    if not paths:
        there = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        raise BenchError(
            f"{folder} has no file {' or '.join(patterns)}. There are: {', '.join(there) or 'none'}"
        )
    return paths


def _verify(path: Path, source: HubSource) -> None:
    """The cache names a blob by the hash that the hub gave for it: sha256 of large files, git's
    sha1 of small ones. A file that is something else is thrown away."""
    blob = path.resolve()
    name = blob.name
    if re.fullmatch("[0-9a-f]{64}", name):
        with blob.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    elif re.fullmatch("[0-9a-f]{40}", name):
        data = blob.read_bytes()
        found = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    else:
        return
    if found != name:
        path.unlink()
        blob.unlink(missing_ok=True)
        raise BenchError(
            f"{path.name} of {source.repo} is not what the hub says it is: hash {name} expected, "
            f"{found} found. It was not kept; run the same command again. If it stays so, a proxy "
            "changes it."
        )


def _wait_s(retry_after: str | None, attempt: int) -> float:
    if retry_after and re.fullmatch(r"\d+(\.\d+)?", retry_after.strip()):
        return min(float(retry_after), LONGEST_WAIT_S)
    return min(2.0 ** (attempt - 1), LONGEST_WAIT_S) * random.uniform(0.5, 1.0)


def _explained(source: HubSource, error: Exception) -> BenchError:
    """What happened on the way to the hub, and what to do."""
    from huggingface_hub import errors

    repo, url = source.repo, hub_url(source.repo)
    mirror = (
        f"set SMALLCLAIMS_MIRROR to a folder with huggingface.co/datasets/{repo}/<revision> in it"
    )
    if isinstance(error, errors.GatedRepoError):
        return BenchError(
            f"{repo} is gated: open {url}, log in, accept its terms, and set HF_TOKEN to a token "
            f"of that account (it stays in the environment). Without an account: {mirror}."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return BenchError(f"{repo} has no revision {source.revision!r}. They are listed at {url}.")
    if isinstance(error, errors.RepositoryNotFoundError):
        return BenchError(
            f"no data set {repo} at {url}: a typo, or it is private or gated. Then set HF_TOKEN to "
            "a token of an account that may read it."
        )
    space = _out_of_space(error)
    if space is not None:
        return BenchError(
            f"{repo} does not fit on the disk ({space.strerror}); nothing half is kept. Make room, "
            "or set HF_HOME to a folder on a larger one."
        )
    home = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    return BenchError(
        f"{repo} cannot be had from {_without_password(home)} ({one_line(error)}): connect this "
        f"machine to the network, or {mirror}."
    )


def _without_password(url: str) -> str:
    return re.sub("//[^/@]*@", "//", url)


def _out_of_space(error: BaseException | None) -> OSError | None:
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return error
        error = error.__cause__ or error.__context__
    return None


def one_line(error: BaseException) -> str:
    """What an error says, in a line."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def hub_url(repo: str) -> str:
    """Where people read about the data set."""
    return f"https://huggingface.co/datasets/{repo}"
