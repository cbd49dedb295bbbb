"""Linear heads on the features of a frozen sentence encoder: what they read, and how they are kept.

The utility of a response y to a prompt x is w . phi(x, y). One folder holds one head or one for
each annotator, r_i(x, y) = lambda_i . phi(x, y) (PReF, arXiv 2503.06358), over the same phi:
`heads.safetensors` with `weights` (heads, features), and `reward.json`, which says what they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.types import BenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WEIGHTS, ABOUT = "heads.safetensors", "reward.json"
FEATURES = "v, u*v, |u-v|, u of the prompt and v of the response; 1"  # another phi: another word
BLOCKS = 3


def blocks(u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.float64]:
    """Embeddings of prompt and response, (width,) each -> (BLOCKS, width). phi is this in a row.

    u alone is the same for all responses to a prompt, so it would say nothing of them.
    """
    import numpy as np

    u, v = u.astype(np.float64), v.astype(np.float64)
    return np.stack([v, u * v, abs(u - v)])


@dataclass(frozen=True)
class Heads:
    """`weights`: float32 (heads, features). `about`: how they were made, as JSON values. Of these a
    judge needs `base` (reference of the encoder), `base_revision`, `features`, `tokens` (that are
    read of a text at most), `annotators` (one name a head; no name where there is one head for
    everybody), `tasks` (names), `asked` (specs of the tasks) and `prompts` (keys that they were
    trained on)."""

    weights: NDArray[np.float32]
    about: Mapping[str, Any]

    @property
    def annotators(self) -> Sequence[str]:
        """Whose head each row is; empty for one head for everybody."""
        names: list[str] = self.about["annotators"]
        return names

    @cached_property
    def data(self) -> bytes:
        """The weights as a safetensors file: equal weights, equal bytes."""
        from safetensors.numpy import save

        data: bytes = save({"weights": self.weights})
        return data

    @property
    def revision(self) -> str:
        """64 hex digits: what the heads are."""
        return hashlib.sha256(self.data).hexdigest()

    def save(self, folder: Path) -> None:
        """Write the two files. The folder is complete when the JSON file is there.

        Raises BenchError for heads that `load` would not take.
        """
        try:
            _check(self.about, self.weights)
        except (ValueError, KeyError, TypeError) as error:
            raise BenchError(f"{folder}: heads cannot be saved: {error}") from error
        folder.mkdir(parents=True, exist_ok=True)
        (folder / WEIGHTS).write_bytes(self.data)
        write_about(folder, self.about)


def write_about(folder: Path, about: Mapping[str, Any]) -> None:
    """Write `reward.json`, all of it or nothing."""
    partial = folder / f".{ABOUT}"
    text = json.dumps(about, indent=2, sort_keys=True, ensure_ascii=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(folder / ABOUT)


def holds_heads(folder: Path) -> bool:
    """Whether `folder` was written by `Heads.save`, as far as names of files tell."""
    return (folder / WEIGHTS).is_file()


def load(folder: Path) -> Heads:
    """The heads saved in `folder`. Raises BenchError for a folder that holds none, is damaged, or
    was made by a version with other features."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as read

    again = f"smallclaims train reward --task TASK --out {folder}"
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        weights = read((folder / WEIGHTS).read_bytes())["weights"]
        _check(about, weights)
    except FileNotFoundError as error:
        raise BenchError(
            f"{folder}: no trained head there ({error.filename} is missing). Make one: {again}"
        ) from error
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise BenchError(
            f"{folder}: not a trained head ({error}). Train it again: {again}"
        ) from error
    return Heads(weights, about)


def _check(about: Any, weights: NDArray[Any]) -> None:
    kinds = {"base": str, "base_revision": str, "features": str, "tokens": int, "asked": list}
    for field, type_ in {**kinds, "annotators": list, "tasks": list, "prompts": list}.items():
        if not isinstance(about[field], type_):
            raise ValueError(f"{ABOUT}: {field} is {about[field]!r}; {type_.__name__} expected")
    if about["features"] != FEATURES:
        raise ValueError(f"its features are {about['features']!r}, now they are {FEATURES!r}")
    names = about["annotators"]
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError(f"{ABOUT}: annotators are {names}; names, each once, expected")
    rows = len(names) or 1
    finite = abs(weights) < float("inf")  # false for nan as well
    if weights.ndim != 2 or weights.dtype != "float32" or not finite.all():
        raise ValueError(f"{WEIGHTS}: finite float32 weights expected, (heads, features)")
    if len(weights) != rows or weights.shape[1] % BLOCKS or not weights.shape[1]:
        raise ValueError(
            f"{WEIGHTS}: weights have shape {weights.shape}; ({rows}, {BLOCKS} x width) expected"
        )
