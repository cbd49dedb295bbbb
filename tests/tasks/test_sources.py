"""Fetching pinned files: mirror, cache, download, and every way in which it can go wrong."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.types import BenchError
from tasks.sources import Source, fetch, pinned, read_json

CONTENT = b'{"a": [1, 2, 3]}' * 2_000
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SOURCE = Source("owner", "repo", COMMIT, "data/x.json", hashlib.sha256(CONTENT).hexdigest())


class Handler(BaseHTTPRequestHandler):
    """Answers in the way that the test asks for."""

    behaviour = "good"
    requests: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        Handler.requests.append(self.path)
        if Handler.behaviour == "missing":
            self.send_error(404)
            return
        body = CONTENT[::-1] if Handler.behaviour == "wrong" else CONTENT
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if Handler.behaviour == "cut" else body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A real server on loopback, an empty cache, no mirror."""
    monkeypatch.delenv("SMALLCLAIMS_MIRROR", raising=False)
    monkeypatch.setenv("SMALLCLAIMS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(Handler, "behaviour", "good")
    monkeypatch.setattr(Handler, "requests", [])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_download_is_kept_and_not_repeated(home: str, tmp_path: Path) -> None:
    path = fetch(SOURCE, home=home)
    assert path.read_bytes() == CONTENT
    assert path == tmp_path / "cache/sources/github.com/owner/repo" / COMMIT / "data/x.json"
    assert Handler.requests == [f"/owner/repo/{COMMIT}/data/x.json"]
    assert fetch(SOURCE, home="http://127.0.0.1:9") == path
    assert files_below(tmp_path / "cache") == [path]


@pytest.mark.parametrize(
    ("behaviour", "said"), [("wrong", "expected"), ("cut", "peer closed"), ("missing", "HTTP 404")]
)
def test_bad_download_leaves_nothing(home: str, tmp_path: Path, behaviour: str, said: str) -> None:
    Handler.behaviour = behaviour
    with pytest.raises(BenchError, match=said):
        fetch(SOURCE, home=home)
    assert files_below(tmp_path) == []
    Handler.behaviour = "good"
    assert fetch(SOURCE, home=home).read_bytes() == CONTENT


def test_wrong_hash_names_file_expected_and_found(home: str) -> None:
    Handler.behaviour = "wrong"
    with pytest.raises(BenchError) as caught:
        fetch(SOURCE, home=home)
    found = hashlib.sha256(CONTENT[::-1]).hexdigest()
    for part in ("data/x.json", SOURCE.sha256, found, "It was not kept"):
        assert part in str(caught.value)


def test_no_network_says_both_ways_out(home: str) -> None:
    with pytest.raises(BenchError) as caught:
        fetch(SOURCE, home="http://127.0.0.1:9")
    text = str(caught.value)
    assert "connect this machine to the network" in text
    assert f"set SMALLCLAIMS_MIRROR to a folder with github.com/owner/repo/{COMMIT}/data/x" in text
    assert "\n" not in text


def test_damaged_cache_is_brought_again(home: str) -> None:
    path = fetch(SOURCE, home=home)
    path.write_bytes(CONTENT[:10])
    assert fetch(SOURCE, home=home).read_bytes() == CONTENT
    assert len(Handler.requests) == 2


def test_damaged_cache_is_not_kept_without_network(home: str) -> None:
    path = fetch(SOURCE, home=home)
    path.write_bytes(CONTENT[:10])
    with pytest.raises(BenchError, match="connect this machine"):
        fetch(SOURCE, home="http://127.0.0.1:9")
    assert not path.exists()


def in_mirror(folder: Path, content: bytes) -> Path:
    path = folder / SOURCE.place
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_mirror_comes_first(home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = tmp_path / "mirror"
    path = in_mirror(mirror, CONTENT)
    monkeypatch.setenv("SMALLCLAIMS_MIRROR", str(mirror))
    assert fetch(SOURCE, home=home) == path
    assert Handler.requests == []


def test_bad_mirror_file_is_reported_and_left_alone(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = in_mirror(tmp_path / "mirror", b"other")
    monkeypatch.setenv("SMALLCLAIMS_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(BenchError, match="Repair the mirror") as caught:
        fetch(SOURCE, home=home)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"other"
    assert Handler.requests == []


def test_file_missing_from_the_mirror_is_downloaded(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv("SMALLCLAIMS_MIRROR", str(tmp_path / "mirror"))
    assert fetch(SOURCE, home=home).read_bytes() == CONTENT


def test_mirror_that_is_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SMALLCLAIMS_MIRROR", str(tmp_path / "typo"))
    with pytest.raises(BenchError, match="is not a folder"):
        fetch(SOURCE)


def test_cache_that_cannot_be_written(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    monkeypatch.setenv("SMALLCLAIMS_CACHE", str(tmp_path / "taken"))
    with pytest.raises(BenchError, match="SMALLCLAIMS_CACHE"):
        fetch(SOURCE, home=home)


@pytest.mark.parametrize(
    "change",
    [
        {"path": "../../etc/passwd"},
        {"path": "a//b"},
        {"path": "/etc/passwd"},
        {"path": "a/./b"},
        {"path": "a\\b"},
        {"owner": ".."},
        {"repo": "a/b"},
        {"commit": "main"},
        {"sha256": "abc"},
    ],
)
def test_source_that_is_not_pinned(change: dict[str, str]) -> None:
    parts = {
        "owner": "owner", "repo": "repo", "commit": COMMIT, "path": "x", "sha256": SOURCE.sha256
    }  # fmt: skip
    Source(**parts)
    with pytest.raises(BenchError, match="no pinned file"):
        Source(**{**parts, **change})


def test_pinned_files_are_read_from_their_list(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = pinned("WeOpenML", "PandaLM", COMMIT, "pandalm.sha256")
    assert len(sources) == 3
    assert all(path == source.path for path, source in sources.items())
    body = b'{"x": 1}'
    one = Source("owner", "repo", COMMIT, "data/x.json", hashlib.sha256(body).hexdigest())
    in_mirror(tmp_path / "mirror", body)
    monkeypatch.setenv("SMALLCLAIMS_MIRROR", str(tmp_path / "mirror"))
    assert read_json(one) == {"x": 1}
