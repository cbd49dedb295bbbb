"""The batch API of an OpenAI-style server: files up, batches made and watched, files down.

Spoken over httpx and not through litellm's own functions, which know a handful of providers and
give OpenAI's key to a server of the user's own; five plain requests serve every server that speaks
this API.
"""

from __future__ import annotations

import json
import os
import ssl
from functools import cache
from typing import Any

from bench.types import BenchError
from judges.engines.client import Client, message, redacted
from judges.engines.retry import Backoff, Transient, asked_again

ENDPOINT = "/v1/chat/completions"
MARK = "smallclaims"
"""What a batch of ours is known by: the entry of its metadata that holds our name for it."""


class Refused(Exception):
    """The server took the request for a bad one. `note`: what it says, without secrets."""

    def __init__(self, note: str) -> None:
        super().__init__(note)
        self.note = note


class Missing(Exception):
    """The server has nothing at this address, or does not show it to this account."""


class BatchApi:
    """One account at one server. `timeout_s`: of one request. Every method raises Transient after
    the last attempt, Refused for a request that is no good, Missing for what is not there, and
    BenchError for a refused key. Making one raises BenchError as `address` does.
    """

    def __init__(self, client: Client, timeout_s: float, backoff: Backoff) -> None:
        import httpx

        self._client, self._backoff = client, backoff
        key = client.key()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # Keys are for this server alone: no redirect takes them elsewhere.
        self._http = httpx.AsyncClient(
            base_url=address(client), headers=headers, timeout=timeout_s, verify=_certificates()
        )

    async def upload(self, lines: bytes) -> str:
        """Id of a new file that holds these requests, one a line."""
        file = ("requests.jsonl", lines, "application/jsonl")
        answer = await self._json("POST", "files", files={"file": file}, data={"purpose": "batch"})
        return _id(answer)

    async def create(self, file: str, name: str) -> str:
        """Id of a new batch over the requests in a file. Asked again after a failure, it first
        looks whether the server made the batch all the same."""
        tried = False
        asked = {
            "input_file_id": file,
            "endpoint": ENDPOINT,
            "completion_window": "24h",
            "metadata": {MARK: name},
        }

        async def once() -> str:
            nonlocal tried
            found, tried = await self.find(name) if tried else None, True
            return found or _id(await self._once("POST", "batches", json=asked))

        return await asked_again(once, self._backoff, _nobody)

    async def find(self, name: str) -> str | None:
        """Id of the batch of ours with this name, None when there is none. Newest first, as far
        back as the server lists them."""
        after: dict[str, str] = {}
        while True:
            try:
                page = await self._json("GET", "batches", params={"limit": "100", **after})
            except (Missing, Refused):  # a server that does not list its batches
                return None
            batches = page.get("data")
            if not isinstance(batches, list) or not all(isinstance(b, dict) for b in batches):
                raise Transient("the server's answer is no list of batches")
            for batch in batches:
                if _mark(batch) == name:
                    return _id(batch)
            before, after = after, {"after": _id(batches[-1])} if batches else {}
            if not page.get("has_more") or after == before:
                return None

    async def retrieve(self, batch: str) -> dict[str, Any]:
        """How a batch stands: `status`, and the ids of its files."""
        answer = await self._json("GET", f"batches/{batch}")
        if not isinstance(answer.get("status"), str):
            raise Transient("the server's answer is no batch")
        return answer

    async def content(self, file: str) -> bytes:
        """What is in a file."""
        return await asked_again(
            lambda: self._bytes("GET", f"files/{file}/content"), self._backoff, _nobody
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _json(self, method: str, path: str, **asked: Any) -> dict[str, Any]:
        return await asked_again(lambda: self._once(method, path, **asked), self._backoff, _nobody)

    async def _once(self, method: str, path: str, **asked: Any) -> dict[str, Any]:
        data = await self._bytes(method, path, **asked)
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise Transient("the server's answer is no JSON") from error
        if not isinstance(answer, dict):
            raise Transient("the server's answer is no JSON object")
        return answer

    async def _bytes(self, method: str, path: str, **asked: Any) -> bytes:
        import httpx

        try:
            response = await self._http.request(method, path, **asked)
        except httpx.HTTPError as error:
            raise Transient(type(error).__name__) from error
        if response.is_success:
            return response.content
        if response.status_code == 404:
            raise Missing
        what = f"{method} {path.partition('/')[0]} (HTTP {response.status_code})"
        after = response.headers.get("retry-after")
        self._client.answered(response.status_code, what, "", retry_after=after)
        raise Refused(f"{what}: {redacted(message(response.text))}")


@cache
def _certificates() -> ssl.SSLContext:
    """Of the authorities; reading them takes longer than all else."""
    import httpx

    return httpx.create_ssl_context()


def address(client: Client) -> str:
    """Where the API of the client's provider is. Raises BenchError when that is not known."""
    named = os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_BASE")
    openai = (named or "https://api.openai.com/v1") if client.provider == "openai" else None
    base = client.base or openai
    if base is None:
        raise BenchError(
            f"{client.model}: batch=true speaks OpenAI's batch API, and no address of one is known "
            f"for provider {client.provider!r}. Leave out batch, or give the address of a server "
            "that speaks it: api_base=https://HOST/v1"
        )
    return base


def _id(answer: dict[str, Any]) -> str:
    if not isinstance(answer.get("id"), str):
        raise Transient("the server's answer has no id")
    return str(answer["id"])


def _mark(batch: dict[str, Any]) -> Any:
    metadata = batch.get("metadata")
    return metadata.get(MARK) if isinstance(metadata, dict) else None


def _nobody(_: float) -> None:
    """The one task that was told to wait is the only one that asks."""
