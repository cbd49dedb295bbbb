"""What recipes need around the training loop of a library: silence, and the checkpoint to go on
from."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def quiet() -> Iterator[None]:
    """No bars, reports or warnings of libraries on the terminal."""
    from transformers.utils import logging as reports

    verbosity = reports.get_verbosity()
    library = logging.getLogger("sentence_transformers")
    level = library.level
    reports.set_verbosity_error()
    reports.disable_progress_bar()
    library.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        reports.set_verbosity(verbosity)
        library.setLevel(level)


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
