"""The judge ``probe``: one linear direction in the hidden states of a small frozen model.

The utility of a response is w . h, with h the mean hidden states of its tokens in one layer or a
few, so a preference is a difference of two numbers and order cannot matter
(Representation-as-a-Judge, arXiv 2601.22588, on pairs and without intercept). The recipe is
judges.training.probe.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.kinds import kind
from bench.spec import Spec
from bench.types import (
    BenchError,
    Context,
    Judge,
    JudgeCard,
    Status,
    Trial,
    Usage,
    Verdict,
    failure,
    verdict,
)
from judges.described import Described
from judges.engines.batches import NoMemoryError
from judges.engines.decoding import NOT_NUMBERS
from judges.engines.transformers import TransformersEngine
from judges.hidden import POOLING, HiddenStates
from judges.models import is_commit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WEIGHTS, ABOUT = "probe.safetensors", "probe.json"


@dataclass(frozen=True)
class TrainedProbe:
    """`weights`: float32 (layers, width). `about`: how it was made, as JSON values. Of these the
    judge needs `base` (reference of the model), `base_revision`, `dtype`, `layers` (0: embeddings),
    `tasks` (names) and `prompts` (keys that it was trained on)."""

    weights: NDArray[np.float32]
    about: Mapping[str, Any]

    @cached_property
    def data(self) -> bytes:
        """The weights as a safetensors file: equal weights, equal bytes."""
        from safetensors.numpy import save

        data: bytes = save({"weights": self.weights})
        return data

    def save(self, folder: Path) -> None:
        """Write the two files. The folder is complete when the JSON file is there."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / WEIGHTS).write_bytes(self.data)
        text = json.dumps(self.about, indent=2, sort_keys=True, ensure_ascii=False)
        partial = folder / f".{ABOUT}"
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(folder / ABOUT)


def load(folder: Path) -> TrainedProbe:
    """The probe saved in `folder`. Raises BenchError for a folder that holds none, is damaged, or
    was made by a version that pools otherwise."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as read

    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        weights = read((folder / WEIGHTS).read_bytes())["weights"]
        _check(about, weights)
    except FileNotFoundError as error:
        raise BenchError(
            f"{folder}: no trained probe there ({error.filename} is missing). Make one: "
            f"smallclaims train probe --task TASK --out {folder}"
        ) from error
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise BenchError(
            f"{folder}: not a trained probe ({error}). Train it again: "
            f"smallclaims train probe --task TASK --out {folder}"
        ) from error
    return TrainedProbe(weights, about)


def _check(about: Any, weights: NDArray[Any]) -> None:
    kinds = {"base": str, "base_revision": str, "dtype": str, "layers": list, "tasks": list}
    for field, type_ in {**kinds, "prompts": list, "pooling": str}.items():
        if not isinstance(about[field], type_):
            raise ValueError(f"{ABOUT}: {field} is {about[field]!r}; {type_.__name__} expected")
    if not about["layers"] or not all(type(n) is int and n >= 0 for n in about["layers"]):
        raise ValueError(f"{ABOUT}: layers are {about['layers']}; whole numbers from 0 expected")
    if about["pooling"] != POOLING:
        raise ValueError(f"states were pooled as {about['pooling']!r}, now it is {POOLING!r}")
    finite = abs(weights) < float("inf")  # false for nan as well
    rows = len(about["layers"])
    if weights.shape[:-1] != (rows,) or weights.dtype != "float32" or not finite.all():
        raise ValueError(f"{WEIGHTS}: finite float32 weights of shape ({rows}, width) expected")


class ProbeJudge(Judge):
    """A trained probe on its base model. Each response is read once, whatever pairs it is in."""

    def __init__(self, spec: Spec, described: Described, probe: TrainedProbe, context: Context):
        about = probe.about
        commit = about["base_revision"] if is_commit(about["base_revision"]) else None
        engine = TransformersEngine(about["base"], context, dtype=about["dtype"], commit=commit)
        if engine.revision != about["base_revision"]:
            raise BenchError(
                f"judge {spec.text!r} was trained on {about['base']!r} at revision "
                f"{about['base_revision'][:16]}, and here it is {engine.revision[:16]}. "
                "Install that revision, or train the probe again."
            )
        self._probe, self._engine = probe, engine
        self._hidden = HiddenStates(engine, context.cache)
        self.training_prompts = frozenset(about["prompts"])
        read_as = {field: about[field] for field in ("base_revision", "dtype", "layers", "pooling")}
        card = JudgeCard(
            name=spec.label or spec.text,
            kind="probe",
            protocols=("pointwise",),
            description="linear probe on mean hidden states",
            order_free=True,
            model=about["base"],
            revision=hashlib.sha256(probe.data).hexdigest(),
            settings=read_as,
            parameters=engine.parameters,
            trained=True,
            trained_on=tuple(about.get("asked", about["tasks"])),
        )
        self.card = described.on(card)

    def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
        """One verdict per trial, in their order."""
        import numpy as np

        layers = self._probe.about["layers"]
        weights = self._probe.weights.astype(np.float64).ravel()
        for trial in trials:
            try:
                found = self._hidden.pooled(trial.item.prompt, trial.shown[0].text, max(layers))
            except NoMemoryError as error:
                yield failure(trial, Status.ERROR, note=str(error))
                continue
            usage = Usage(prompt_tokens=found.tokens, latency_s=found.seconds)
            if found.states is None:
                note = "prompt and response are longer than the model reads"
                yield failure(trial, Status.TRUNCATED, usage=usage, note=note)
            else:
                utility = float(found.states[layers].astype(np.float64).ravel() @ weights)
                if math.isfinite(utility):
                    yield verdict(trial, [utility], raw=f"{utility:.6g}", usage=usage)
                else:
                    yield failure(trial, Status.UNPARSED, usage=usage, note=NOT_NUMBERS)

    def close(self) -> None:
        """Free the base model."""
        self._engine.close()


@kind(
    trained=True,
    order_free=True,
    cost="this machine",
    extras=("local",),
    options={"probe:FOLDER": Described, "probe:base=MODEL": "judges.training.probe:Card"},
)
def make(spec: Spec, context: Context) -> Judge:
    """A linear probe on hidden states: probe:FOLDER, or without one trained on first use.

    It is then trained on the training split of the run's tasks, and kept in the cache.

    Raises BenchError: no such probe, no base model, a task without training items.
    """
    if spec.argument:
        folder = Path(spec.argument).expanduser()
        return ProbeJudge(spec, spec.settings(Described), load(folder), context)
    from judges.training.probe import Card, trained_here

    card = spec.settings(Card)
    return ProbeJudge(spec, card, trained_here(card, context), context)
