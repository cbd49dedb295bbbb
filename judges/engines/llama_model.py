"""A GGUF model that llama.cpp has loaded, with its own tokenizer and chat template.

The server of the package xllamacpp does the work, in this process: completions are asked for by a
call, and the two things that have no call (tokenizer, template) on loopback, with a key that is
made each time.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from bench.types import BenchError
from judges import gguf
from judges.engines.chat import ChatTokens

LONGEST = 8192  # tokens that memory is taken for where nobody says how many
TOP = 4096
"""Tokens whose probabilities are asked for first; all, where they do not tell enough. All 49,152 of
a small model take 0.4 CPU seconds to write down and read, as long as 70 tokens of a prompt."""
ENOUGH = 1e-3  # the part of a probability that may be missing; the server's own error is as large

_CERTAIN = 1e6  # added to a logit: this token and no other
_ORDINARY = 1, 6  # types of tokens in GGUF: normal, byte
_OWN = 4  # a token of the model's makers that ordinary text may hold


class LlamaModel:
    """The model at `path`. `reference`: its name, for messages. `limit`: tokens that it reads and
    writes at most, `LONGEST` for None, and no more than it was trained on. `threads`: None for
    llama.cpp's own choice.

    Has `limit`, as it is in the end, and `chat`: its tokenizer and template. Raises BenchError for
    a file that does not load, or has no chat template.
    """

    def __init__(self, path: Path, reference: str, limit: int | None, threads: int | None) -> None:
        entries = gguf.head(path).entries
        # Without a template llama.cpp would take another model's.
        for name in ("chat_template", "ggml.tokens", "ggml.token_type"):
            if f"tokenizer.{name}" not in entries:
                raise BenchError(
                    f"model {reference!r}: its file has no tokenizer.{name}. Expected: a model "
                    "tuned for instructions, with its chat template."
                )
        trained = entries.get(f"{entries.get('general.architecture')}.context_length", LONGEST)
        self.limit: int = min(trained, limit or LONGEST)
        self._vocabulary = len(entries["tokenizer.ggml.tokens"])
        self._server, self._client = _serve(path, reference, self.limit, threads)
        self.chat = ChatTokens(_Tokenizer(self._client, entries), reference)

    def next_tokens(self, ids: list[int], spelt: Sequence[Sequence[int]]) -> list[float]:
        """Probability that one of the tokens of each group of `spelt` comes after `ids`, each right
        to a part in a thousand; empty when the model gives values that are no numbers."""
        # These are the probabilities before the bias. The server says those of what it wrote, and
        # where that would be a part of a character, it writes nothing.
        drawn = [[spelt[0][0], _CERTAIN]]
        for top in (TOP, self._vocabulary):
            found = self.complete(ids, n_predict=1, temperature=0.0, n_probs=top, logit_bias=drawn)
            said = found["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
            known = {token["id"]: token["logprob"] for token in said}
            if not all(isinstance(value, float) and value <= 0 for value in known.values()):
                return []
            sums = [math.fsum(math.exp(known[t]) for t in group if t in known) for group in spelt]
            rarest = math.exp(min(known.values()))  # no token that was not named is more probable
            if all(rarest * len(group) <= ENOUGH * p for group, p in zip(spelt, sums, strict=True)):
                break
        return sums

    def complete(self, ids: list[int], **asked: Any) -> dict[str, Any]:
        """What the server completes `ids` to. Raises BenchError where it refuses."""
        found: dict[str, Any] = self._server.handle_completions({"prompt": ids, **asked})
        if "error" in found:
            raise BenchError(f"llama.cpp refused a request: {found['error'].get('message')}")
        return found

    def close(self) -> None:
        """Free the model."""
        self._client.close()
        del self._server


def _serve(path: Path, reference: str, limit: int, threads: int | None) -> tuple[Any, httpx.Client]:
    """The server, and a client of it."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel = str(path), limit, 1
    params.cache_prompt, params.cache_ram_mib = False, 0  # nothing of one request for another
    params.warmup, params.verbosity, params.ui = False, -1, False
    params.hostnames, params.port = ["127.0.0.1"], 0
    key = secrets.token_urlsafe()
    params.api_keys = [key]
    if threads is not None:
        params.cpuparams.n_threads = threads
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        raise BenchError(
            f"model {reference!r} does not load in llama.cpp: {error} Is there memory enough, and "
            "is its kind of model known to this version of xllamacpp?"
        ) from error
    address, headers = server.listening_address, {"Authorization": f"Bearer {key}"}
    return server, httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False)


class _Tokenizer:
    """llama.cpp's tokenizer and template with the face of a tokenizer of transformers, as far as
    `ChatTokens` looks at it."""

    def __init__(self, server: httpx.Client, entries: Mapping[str, Any]) -> None:
        self._server = server
        texts, types = entries["tokenizer.ggml.tokens"], entries["tokenizer.ggml.token_type"]
        self.added_tokens_decoder = {
            i: SimpleNamespace(content=texts[i], special=kind != _OWN)
            for i, kind in enumerate(types)
            if kind not in _ORDINARY
        }
        self.eos_token_id = entries.get("tokenizer.ggml.eos_token_id")
        opening = self._ask("/tokenize", content="", add_special=True)["tokens"]
        begin = entries.get("tokenizer.ggml.bos_token_id")
        self._begin: str = texts[begin] if opening[:1] == [begin] else ""

    def __call__(
        self, text: str, *, add_special_tokens: bool, split_special_tokens: bool
    ) -> dict[str, list[int]]:
        special = not split_special_tokens
        found = self._ask(
            "/tokenize", content=text, add_special=add_special_tokens, parse_special=special
        )
        return {"input_ids": found["tokens"]}

    def apply_chat_template(
        self, chat: Sequence[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool
    ) -> str:
        """Raises ValueError where the template refuses the messages."""
        text: str = self._ask("/apply-template", messages=chat)["prompt"]
        # The server leaves the beginning of text out where its tokenizer would put it there.
        return text if text.startswith(self._begin) else self._begin + text

    def _ask(self, path: str, **asked: Any) -> dict[str, Any]:
        reply = self._server.post(path, json=asked)
        answer: dict[str, Any] = reply.json()
        if reply.is_error:
            raise ValueError(answer.get("error", {}).get("message", f"status {reply.status_code}"))
        return answer
