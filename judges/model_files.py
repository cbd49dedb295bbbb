"""JSON files beside a model's weights, on this machine or on the hub, read before anything heavy
is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.types import BenchError
from judges.models import Model


def beside(source: Model, name: str) -> Any:
    """The value of the JSON file `name`; None where there is none.

    Raises BenchError for a file that is no JSON, and for a hub that cannot be reached.
    """
    path = _on_hub(source, name) if source.path is None else source.path / name
    if path is None or not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} cannot be read: {error}. A JSON file expected.") from error


def _on_hub(source: Model, name: str) -> Path | None:
    from httpx import HTTPError
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(source.reference, name, revision=source.revision))
    except (EntryNotFoundError, OSError, HTTPError) as error:
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            return None
        raise BenchError(
            f"model {source.reference!r}: {name} is not in the hub's cache and cannot be had from "
            f"the hub ({type(error).__name__}). Connect once, or copy the model's folder to this "
            "machine and give its path."
        ) from error
