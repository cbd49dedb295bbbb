"""Hidden states of responses, kept on disk by content: one file a response, so that training,
judging and further probes on the same model pay for each text once.

The key covers the model's revision, the dtype, the layers, the prompt and the response. States are
stored as they were computed (float32), so what is read back is the same bits.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.types import Message, content_key
from judges.engines.pooling import Pooled
from judges.engines.transformers import TransformersEngine

POOLING = "mean over response and end of turn, prompt in chat form; 1"  # another way, another word


class HiddenStates:
    """Pooled states by `engine`, kept below ``cache/hidden``."""

    def __init__(self, engine: TransformersEngine, cache: Path) -> None:
        self._engine = engine
        self._folder = cache / "hidden" / engine.revision[:16] / engine.dtype

    def pooled(self, prompt: Sequence[Message], text: str, layers: int | None = None) -> Pooled:
        """See TransformersEngine.pooled. `seconds` are those of the first time. A file that cannot
        be read is made again."""
        parts = [asdict(message) for message in prompt]
        key = content_key(POOLING, self._engine.revision, self._engine.dtype, layers, parts, text)
        path = self._folder / key[:2] / f"{key[2:]}.safetensors"
        found = _load(path)
        if found is None:
            found = self._engine.pooled(prompt, text, layers)
            _save(path, found)
        return found


def _load(path: Path) -> Pooled | None:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(path.read_bytes())
        tokens, seconds = tensors["usage"].tolist()
        return Pooled(tensors["states"], int(tokens), seconds)
    except (FileNotFoundError, SafetensorError, KeyError, ValueError):
        return None


def _save(path: Path, pooled: Pooled) -> None:
    """Write all of it or nothing: to a file beside it first, then renamed."""
    import numpy as np
    from safetensors.numpy import save

    if pooled.states is None or not np.isfinite(pooled.states).all():
        return
    usage = np.array([pooled.tokens, pooled.seconds])
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix=".", dir=path.parent, delete=False) as file:
        file.write(save({"states": pooled.states, "usage": usage}))
    Path(file.name).replace(path)
