"""A stand-in for a chat API, and for vLLM's scores, that goes wrong on purpose, in the ways that
real ones do.

`FaultyServer([refuse(429, retry_after="1"), say("Verdict: A")])` answers its first call with a
429 and every later one with a verdict; it notes when each call came and what it asked, where.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[["_Handler"], None]


def completion(text: str | None, finish: str = "stop", **usage: Any) -> dict[str, Any]:
    """The body of a chat completion."""
    counts = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, **usage}
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "stand-in",
        "choices": [choice],
        "usage": counts,
    }


def say(text: str | None, finish: str = "stop", **usage: Any) -> Behaviour:
    """A sound reply."""
    return body(json.dumps(completion(text, finish, **usage)))


def echo() -> Behaviour:
    """A reply that quotes what it was asked, whole."""

    def answer(handler: _Handler) -> None:
        asked = "\n".join(m["content"] for m in handler.asked["messages"])
        say(asked)(handler)

    return answer


def scores(*numbers: float | None, tokens: int = 0) -> Behaviour:
    """What vLLM's /pooling answers, or /score where that was asked, for one sequence of so many
    tokens; 0: as many as were sent."""

    def answer(handler: _Handler) -> None:
        sent = handler.asked.get("input", ())
        found = {"data": numbers} if handler.path == "/pooling" else {"score": numbers[0]}
        usage = {"prompt_tokens": tokens or len(sent)}
        body(json.dumps({"object": "list", "data": [found], "usage": usage}))(handler)

    return answer


def body(text: str, status: int = 200, kind: str = "application/json", **headers: str) -> Behaviour:
    """Any body at all."""

    def answer(handler: _Handler) -> None:
        handler.send(status, text.encode(), kind, headers)

    return answer


def refuse(status: int, message: str = "no", *, retry_after: str = "", **error: Any) -> Behaviour:
    """An HTTP error with an error object."""
    headers = {"Retry-After": retry_after} if retry_after else {}
    text = json.dumps({"error": {"message": message, "type": "some_error", **error}})
    return body(text, status, **headers)


def hang(seconds: float) -> Behaviour:
    """No answer for so long."""

    def answer(handler: _Handler) -> None:
        handler.server.closing.wait(seconds)  # type: ignore[attr-defined]
        handler.close_connection = True

    return answer


def drip(seconds: float) -> Behaviour:
    """One byte every tenth of a second: no single read takes long, the whole never ends."""

    def answer(handler: _Handler) -> None:
        handler.head(200, "application/json", 100_000, {})
        end = time.monotonic() + seconds
        while time.monotonic() < end and not handler.server.closing.wait(0.1):  # type: ignore[attr-defined]
            try:
                handler.wfile.write(b" ")
                handler.wfile.flush()
            except OSError:  # the client has gone
                break
        handler.close_connection = True

    return answer


def cut() -> Behaviour:
    """Half of a good answer, then the connection is gone."""

    def answer(handler: _Handler) -> None:
        data = json.dumps(completion("Verdict: A")).encode()
        handler.head(200, "application/json", len(data), {})
        handler.wfile.write(data[: len(data) // 2])
        handler.close_connection = True

    return answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked: dict[str, Any]

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        self.asked = json.loads(self.rfile.read(size))
        self.server.owner.answer(self)  # type: ignore[attr-defined]

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


class FaultyServer:
    """A context manager: listens on a free loopback port while open.

    `base`: the address to give as api_base. `times`: when each call came, in seconds of
    time.monotonic. `asked`: the body of each call, `paths`: its path, `keys`: its Authorization.
    `open`: calls that are open, `busiest`: the most at one time.
    """

    def __init__(self, script: Sequence[Behaviour]) -> None:
        self.script = list(script)
        self.times: list[float] = []
        self.asked: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.keys: list[str | None] = []
        self.busiest = 0
        self.open = 0
        self._lock = threading.Lock()

    def answer(self, handler: _Handler) -> None:
        """Play the next behaviour of the script; the last one repeats."""
        with self._lock:
            behaviour = self.script[min(len(self.times), len(self.script) - 1)]
            self.times.append(time.monotonic())
            self.asked.append(handler.asked)
            self.paths.append(handler.path)
            self.keys.append(handler.headers["Authorization"])
            self.open += 1
            self.busiest = max(self.busiest, self.open)
        try:
            behaviour(handler)
        finally:
            with self._lock:
                self.open -= 1

    def __enter__(self) -> FaultyServer:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.owner = self  # type: ignore[attr-defined]
        self._server.closing = threading.Event()  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.closing.set()  # type: ignore[attr-defined]
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
