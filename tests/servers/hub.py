"""An imitation of the Hugging Face hub's read API on loopback, for data sets, with its faults.

It stands in for the hub, which tests cannot reach. Answered: the listing of a revision, and files
(HEAD, GET, Range). Every file of 1 MB and more is presented as a large one, known by its sha256.

    with Hub() as hub:
        hub.put("owner/name", {"data/test.jsonl": b"..."})   # a new revision, now main
        HF_ENDPOINT=hub.url ...
        hub.faults.append(Fault(status=429, headers={"Retry-After": "1"}))   # the next file request
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

LARGE = 1_000_000
_API = re.compile(r"/api/datasets/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+)(?:/.*)?)?")
_FILE = re.compile(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Fault:
    """What happens to the next file asked for that has `on` in its path. `status`: instead of
    the file. `cut`: the connection ends after so many bytes of the body. `change`: its bytes are
    not what was said."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    change: bool = False
    on: str = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._route()

    def do_GET(self) -> None:
        self._route()

    def _route(self) -> None:
        hub, parts = self.server.hub, urlsplit(self.path)
        hub.requests.append(f"{self.command} {unquote(parts.path)}")
        hub.tokens.append(self.headers.get("Authorization", ""))
        hub.ranges.append(self.headers.get("Range", ""))
        api, file = (pattern.fullmatch(unquote(parts.path)) for pattern in (_API, _FILE))
        if api:
            self._listing(*api.groups(default=""), recursive="recursive" in parse_qs(parts.query))
        elif file:
            self._file(*file.groups())
        else:
            self._refuse(404, "EntryNotFound")

    def _revision(self, repo: str, revision: str) -> str | None:
        """The commit that was asked for; None when the answer has been sent."""
        hub = self.server.hub
        if repo in hub.gated and self.headers.get("Authorization") != f"Bearer {hub.gated[repo]}":
            self._refuse(401, "GatedRepo")
        elif repo not in hub.repos:
            self._refuse(401 if hub.hides_missing else 404, "RepoNotFound")
        else:
            revision = list(hub.repos[repo])[-1] if revision in ("main", "") else revision
            if revision in hub.repos[repo]:
                return revision
            self._refuse(404, "RevisionNotFound")
        return None

    def _listing(self, repo: str, what: str, revision: str, *, recursive: bool) -> None:
        sha = self._revision(repo, revision)
        if sha is None:
            return
        files = self.server.hub.repos[repo][sha]
        if what == "tree":
            answer: object = [
                {"type": "file", "path": path, "size": len(body), "oid": _git(body), **_lfs(body)}
                for path, body in files.items()
                if recursive or "/" not in path
            ]
        else:
            siblings = [{"rfilename": path} for path in files]
            answer = {"id": repo, "sha": sha, "siblings": siblings, "tags": [], "private": False}
        self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _file(self, repo: str, revision: str, path: str) -> None:
        sha = self._revision(repo, revision)
        if sha is None:
            return
        body = self.server.hub.repos[repo][sha].get(path)
        if body is None:
            self._refuse(404, "EntryNotFound")
            return
        large = len(body) >= LARGE
        etag = hashlib.sha256(body).hexdigest() if large else _git(body)
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": sha, "Accept-Ranges": "bytes"}
        if large:
            headers |= {"X-Linked-ETag": f'"{etag}"', "X-Linked-Size": str(len(body))}
        fault = self.server.hub.fault(path) if self.command == "GET" else Fault()
        if fault.status is not None:
            self._send(fault.status, b"{}", fault.headers)
            return
        if fault.change:
            body = body[::-1]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        status = 200
        if wanted:
            start, size, status = int(wanted[1]), len(body), 206
            body = body[start : int(wanted[2]) + 1 if wanted[2] else None]
            headers["Content-Range"] = f"bytes {start}-{start + len(body) - 1}/{size}"
        self._send(status, body, headers, fault.cut)

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code})

    def _send(
        self, status: int, body: bytes, headers: Mapping[str, str], cut: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: Hub


class Hub:
    """`repos`: repo -> revision -> files, the newest revision last. `gated`: repo -> the token
    that opens it. `hides_missing`: a repo that is not there is answered with 401, as the hub does
    to strangers. `requests`, `tokens`, `ranges`: of every request so far."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, Files]] = {}
        self.gated: dict[str, str] = {}
        self.hides_missing = False
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.tokens: list[str] = []
        self.ranges: list[str] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hub = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def put(self, repo: str, files: Files) -> str:
        """Add a revision with these files; its commit."""
        text = json.dumps({path: _git(body) for path, body in sorted(files.items())})
        sha = hashlib.sha1(f"{len(self.repos.get(repo, {}))} {text}".encode()).hexdigest()
        self.repos.setdefault(repo, {})[sha] = files
        return sha

    def fault(self, path: str) -> Fault:
        """The next fault for a file, which is then used up; none by default."""
        for fault in self.faults:
            if fault.on in path:
                self.faults.remove(fault)
                return fault
        return Fault()

    def __enter__(self) -> Hub:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _git(body: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


def _lfs(body: bytes) -> dict[str, object]:
    if len(body) < LARGE:
        return {}
    sha256 = hashlib.sha256(body).hexdigest()
    return {"lfs": {"oid": sha256, "size": len(body), "pointerSize": 134}}


def parquet(rows: Sequence[Mapping[str, object]], schema: pa.Schema | None = None) -> bytes:
    """Rows as the bytes of a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), sink)
    return sink.getvalue()


def json_lines(rows: Sequence[Mapping[str, object]]) -> bytes:
    """Rows as the bytes of a JSON Lines file."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
