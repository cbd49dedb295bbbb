"""What recipes need around the training loop of a library: silence, and the checkpoint to go on
from."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def quiet() -> Iterator[None]:
    """No bars, reports or warnings of libraries on the terminal."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)


def last_checkpoint(work: Path) -> Path | None:
    """The last one in `work` that is whole, by the state that a trainer writes last; None where
    there is none."""
    found: dict[int, Path] = {}
    for path in work.glob("checkpoint-*/trainer_state.json"):
        try:
            found[json.loads(path.read_text(encoding="utf-8"))["global_step"]] = path.parent
        except (ValueError, KeyError):
            continue
    return found[max(found)] if found else None
