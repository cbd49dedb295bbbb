"""A stand-in for a server with OpenAI's files and batches, which goes wrong on purpose.

    with BatchServer() as server:
        server.steps = ["validating", "in_progress", "completed"]   # one a look
        server.faults["GET batches"] = [refuse(500)]                # the next look fails
        server.ends = lambda lines: lines[:-1]                      # the output lacks a line
        BatchEngine("openai/x", Sampling(api_base=server.base), ...)

Everything that it was given stays there when a client goes: `batches`, `files`, `requests`.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from faulty_server import Behaviour, completion

Answer = Callable[[dict[str, Any]], dict[str, Any]]


def answered(body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    """The part of a line of results that says what a request got."""
    return {"response": {"status_code": status, "request_id": "r", "body": body}, "error": None}


def failed(code: str, message: str) -> dict[str, Any]:
    """The same of a request that was never asked."""
    return {"response": None, "error": {"code": code, "message": message}}


def verdict_a(asked: dict[str, Any]) -> dict[str, Any]:
    """Every request gets the same verdict."""
    return answered(completion("Verdict: A"))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def _serve(self) -> None:
        owner, parts = self.server.owner, urlsplit(self.path)
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        match = re.fullmatch(r"/v1/(files|batches)(?:/(\w+))?(/content)?", parts.path)
        what = f"{self.command} {match[1] if match else '?'}"
        owner.keys.append(self.headers.get("Authorization", ""))
        with owner.lock:
            owner.requests.append(f"{what}{'/' + match[2] if match and match[2] else ''}")
            faults = owner.faults.get(what, [])
            fault = faults.pop(0) if faults else None
        if fault is not None:
            if owner.acts_all_the_same and what == "POST batches":
                owner.make(json.loads(data))
            fault(self)  # type: ignore[arg-type]
            return
        try:
            answer: Any = owner.reply(what, match[2] if match else None, data, self.headers, parts)
        except LookupError:
            self.json(404, {"error": {"message": "no such thing", "code": None}})
            return
        if isinstance(answer, bytes):
            self.send(200, answer, "application/octet-stream", {})
        else:
            self.json(200, answer)

    def json(self, status: int, answer: Any) -> None:
        self.send(status, json.dumps(answer).encode(), "application/json", {})

    def head(self, status: int, kind: str, size: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(size), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def send(self, status: int, data: bytes, kind: str, headers: dict[str, str]) -> None:
        try:
            self.head(status, kind, len(data), headers)
            self.wfile.write(data)
        except OSError:  # the client has gone
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    owner: BatchServer
    closing: threading.Event


class BatchServer:
    """A context manager. `base`: the address to give as api_base. `answer`: a request's body -> its
    line of results, without its id. `ends`: the lines of results -> the lines that are written,
    text as it is. `steps`: the status of a batch at each look, the last one for good. `faults`: by
    "METHOD files" or "METHOD batches", what happens to the next ones. `acts_all_the_same`: a batch
    is made though its answer is a fault. `lists`: it says what batches it has."""

    def __init__(self, answer: Answer = verdict_a) -> None:
        self.answer = answer
        self.ends: Callable[[list[str]], list[str]] = lambda lines: lines
        self.steps = ["validating", "in_progress", "completed"]
        self.faults: dict[str, list[Behaviour]] = {}
        self.acts_all_the_same = False
        self.lists = True
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.looks: dict[str, int] = {}
        self.requests: list[str] = []
        self.keys: list[str] = []
        self.lock = threading.Lock()

    def asked(self) -> list[dict[str, Any]]:
        """The bodies of all requests of all batches, in order."""
        files = [self.files[batch["input_file_id"]] for batch in self.batches.values()]
        return [json.loads(line)["body"] for file in files for line in file.splitlines()]

    def reply(self, what: str, name: str | None, data: bytes, headers: Any, parts: Any) -> Any:
        """What a sound server answers; LookupError where there is nothing."""
        with self.lock:
            if what == "POST files":
                return self._upload(data, headers["Content-Type"])
            if what == "GET files":
                return self.files[str(name)]
            if what == "POST batches":
                return self.make(json.loads(data))
            if what == "GET batches" and name is None and self.lists:
                return self._listing(parse_qs(parts.query))
            if what == "GET batches" and name is not None:
                return self._look(name)
        raise LookupError(what)

    def make(self, asked: dict[str, Any]) -> dict[str, Any]:
        """A new batch."""
        assert asked["input_file_id"] in self.files
        name = f"batch_{len(self.batches)}"
        self.batches[name] = {"id": name, "object": "batch", "status": "validating", **asked}
        return self.batches[name]

    def _upload(self, data: bytes, kind: str) -> dict[str, Any]:
        message = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + data)
        parts = {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
            for part in message.get_payload()
        }
        assert parts["purpose"] == b"batch"
        name = f"file_{len(self.files)}"
        self.files[name] = parts["file"].strip()
        return {"id": name, "object": "file"}

    def _listing(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """Two a page, the newest first."""
        names = list(reversed(self.batches))
        if "after" in query:
            names = names[names.index(query["after"][0]) + 1 :]
        page = [self.batches[name] for name in names[:2]]
        return {"object": "list", "data": page, "has_more": len(names) > 2}

    def _look(self, name: str) -> dict[str, Any]:
        batch = self.batches[name]
        look = self.looks[name] = self.looks.get(name, -1) + 1
        batch["status"] = self.steps[min(look, len(self.steps) - 1)]
        if batch["status"] in ("completed", "expired", "cancelled") and "done" not in batch:
            batch["done"] = True
            self._finish(batch)
        if batch["status"] == "failed":
            batch["errors"] = {"data": [{"code": "bad", "message": "line 1 is not to our liking"}]}
        return batch

    def _finish(self, batch: dict[str, Any]) -> None:
        """Write the files of results: what went well, and what did not."""
        good, bad = [], []
        for line in self.files[batch["input_file_id"]].splitlines():
            asked = json.loads(line)
            assert asked["method"] == "POST"
            assert asked["url"] == batch["endpoint"] == "/v1/chat/completions"
            result = {"id": "b", "custom_id": asked["custom_id"], **self.answer(asked["body"])}
            sound = (result["response"] or {}).get("status_code") == 200
            (good if sound else bad).append(json.dumps(result))
        for key, lines in (("output_file_id", self.ends(good[::-1])), ("error_file_id", bad)):
            if lines:
                name = batch[key] = f"results_{len(self.files)}"
                self.files[name] = "\n".join(lines).encode("utf-8", "surrogatepass")

    def __enter__(self) -> BatchServer:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner, self._server.closing = self, threading.Event()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
