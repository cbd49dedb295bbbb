"""What a card says of a judge beside the settings that change its verdicts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec

from bench.types import JudgeCard


@dataclass(frozen=True)
class Described:
    """Options that every kind with a model takes. `description`: one line. `licence`: of its
    weights. `families`: beginnings of the names of models that are its kin, by birth or by its
    training labels. `trained`: fitted for judging; none: as the kind or its files tell.
    `trained_on`: the sets that it was trained on. `parameters`: number of its weights, where the
    files do not tell. `context`: tokens that it reads at most, likewise. `usd_per_hour`: of the
    machine that it runs on. `usd_per_gpu_hour`: where that has GPUs, of each that the model is
    spread over."""

    description: str | None = None
    licence: str | None = None
    families: tuple[str, ...] = ()
    trained: bool | None = None
    trained_on: tuple[str, ...] = ()
    parameters: int | None = None
    context: int | None = None
    usd_per_hour: float | None = None
    usd_per_gpu_hour: float | None = None

    def on(self, card: JudgeCard) -> JudgeCard:
        """`card` with what is said here; what is not said stays as it was."""
        said = {name: value for name, value in vars(self).items() if name in _NAMES}
        per_gpu = said.pop("usd_per_gpu_hour")
        if per_gpu is not None and self.usd_per_hour is None and _gpus():
            said["usd_per_hour"] = per_gpu * getattr(self, "tensor_parallel", 1)
        return replace(card, **{name: v for name, v in said.items() if v not in (None, ())})


def _gpus() -> bool:
    if find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


_NAMES = frozenset(Described.__dataclass_fields__)
