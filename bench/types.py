"""The records that flow through the bench, and the two contracts: Task and Judge.

Everything is frozen and checked where it enters, so no later stage checks it again.
Two coordinate systems exist for a list of responses: *item* coordinates (index into
``Item.responses``) and *shown* coordinates (position in one trial). `to_item_coordinates` is the
only place that turns the second into the first.
"""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

MAX_RESPONSES = 62  # sets of responses are bit masks in a signed 64-bit integer (bench.outcome)

Protocol = Literal["pairwise", "listwise", "pointwise"]
Aspect = Literal["text", "model", "reference", "task", "domain", "labels", "id"]
Split = Literal["train", "dev", "test"]
Orders = Literal["all", "first"]

DOMAINS = (
    "chat",
    "instruction-following",
    "factuality",
    "knowledge",
    "long-form-qa",
    "math",
    "reasoning",
    "code",
    "safety",
    "summarization",
    "creative-writing",
    "translation",
    "multilingual",
    "ties",
)
"""The domains that our own tasks use, so that results of different sets stand side by side. A set's
own names are kept as subsets."""


class BenchError(Exception):
    """Something the user can mend. The text says what happened, what was expected, what to do."""


def content_key(*parts: object) -> str:
    """32 hex digits (BLAKE2b, 128 bits) of the parts' canonical JSON. Equal content, equal key."""
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    # surrogatepass: broken Unicode in somebody's data is still content with an identity.
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Status(StrEnum):
    """What became of a trial. Only `OK` comes with utilities; a failure is never a number."""

    OK = "ok"
    UNPARSED = "unparsed"  # the judge answered, and no verdict could be read from it
    REFUSED = "refused"  # the judge declined
    TRUNCATED = "truncated"  # the answer was cut before its verdict
    ERROR = "error"  # the infrastructure gave no answer; asked again when the run resumes


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the prompt. `role`: system, user or assistant. `content`: any text."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Response:
    """One candidate answer. `id`: unique in its item. `text`: may be empty. `model`: its writer."""

    id: str
    text: str
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """What one annotator, or a gold key, said.

    `utilities`: one finite number per response of the item, higher is better; all equal is a tie
    between all. Preferences, rankings, scores and chosen/rejected lists all end in this form. Only
    their order counts in scores; the difference is how strongly the annotator felt, where the
    task's card says that this was asked.
    """

    annotator: str
    utilities: tuple[float, ...]

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, self.utilities)):
            raise BenchError(
                f"label of {self.annotator!r}: utilities are {self.utilities}; finite ones expected"
            )


@dataclass(frozen=True)
class Item:
    """One prompt with its candidate responses and what humans (or a program) said of them.

    `id`: unique in its task. `prompt`: at least one message. `responses`: 2 to 62. `labels`: one
    entry per annotator, each with one utility per response; none in the view that a judge gets,
    and where nobody labelled: such an item has verdicts and no score. `retests`: what annotators
    said when they were asked again; no score counts them. `cluster`: what ties items of different
    prompts together (a person, a session), None where only the prompt does; intervals take it, or
    the prompt, whichever ties more of a task's items together. `meta`: small JSON
    values, of which at most a benchmark's own score is made (the styles of RM-Bench).
    """

    id: str
    task: str
    domain: str
    prompt: tuple[Message, ...]
    responses: tuple[Response, ...]
    labels: tuple[Label, ...] = ()
    subset: str | None = None
    reference: str | None = None
    retests: tuple[Label, ...] = ()
    cluster: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.prompt:
            raise self._wrong("the prompt has no message; at least one expected")
        n = len(self.responses)
        if not 2 <= n <= MAX_RESPONSES:
            raise self._wrong(f"{n} responses; 2 to {MAX_RESPONSES} expected")
        if len({r.id for r in self.responses}) != n:
            raise self._wrong("response ids are not unique")
        labels = (*self.labels, *self.retests)
        shown = [self.id, self.task, self.domain, self.subset or "", self.cluster or ""]
        shown += [label.annotator for label in labels]
        try:
            "".join(shown).encode()
        except UnicodeEncodeError:
            raise self._wrong(
                "broken Unicode (a lone surrogate) in its id, task, domain, subset, cluster or an "
                "annotator; these stand in tables and must be text"
            ) from None
        for label in labels:
            if len(label.utilities) != n:
                raise self._wrong(
                    f"label of {label.annotator!r} has {len(label.utilities)} utilities; {n} "
                    "expected, one per response"
                )

    def _wrong(self, what: str) -> BenchError:
        return BenchError(f"item {self.id!r} of task {self.task!r}: {what}")

    @cached_property
    def key(self) -> str:
        """Content key of the whole item, labels included."""
        return content_key(asdict(self))

    @cached_property
    def prompt_key(self) -> str:
        """Content key of the normalised opening: the unit of every split, what "trained on this
        prompt" means, and, without a `cluster`, the cluster of every statistic. Case, spacing and
        Unicode form are ignored."""
        return content_key(normalised("\n".join(message.content for message in self.opening)))

    @property
    def opening(self) -> tuple[Message, ...]:
        """The prompt up to the first user message: what all turns of a conversation share, so that
        its first turn is never learnt from and its second tested on."""
        roles = [message.role for message in self.prompt]
        return self.prompt[: roles.index("user") + 1] if "user" in roles else self.prompt

    @property
    def split(self) -> Split:
        """train (60 %), dev (10 %) or test (30 %) by the prompt key: the same for everybody, for
        ever, and the same for equal prompts in different tasks."""
        return split_of(self.prompt_key)

    def seen(self, aspects: Sequence[Aspect]) -> Item:
        """The view of a judge that declares `aspects`: everything else is taken out, so a judge
        cannot use what its card does not name, and the trial's content key covers the rest."""
        return replace(
            self,
            id=self.id if "id" in aspects else "",
            task=self.task if "task" in aspects or "id" in aspects else "",
            domain=self.domain if "domain" in aspects else "",
            subset=None,
            responses=tuple(
                Response(str(i), r.text, r.model if "model" in aspects else None)
                for i, r in enumerate(self.responses)
            ),
            labels=self.labels if "labels" in aspects else (),
            reference=self.reference if "reference" in aspects else None,
            retests=(),
            cluster=None,
            meta={},
        )


def normalised(text: str) -> str:
    """Text as it is compared: compatible Unicode forms, case and spacing made one (NFKC)."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def split_of(prompt_key: str) -> Split:
    """Split of a prompt key (see `Item.split`)."""
    share = int(prompt_key[:8], 16) / 2**32
    return "train" if share < 0.6 else "dev" if share < 0.7 else "test"


@dataclass(frozen=True, slots=True)
class Trial:
    """One showing. `item`: the judge's view. `order`: item indices in the order shown; a single
    index for a pointwise trial. `repeat`: from 0. `seed`: fixed by the plan, for judges that
    draw. `key`: content key of what is shown, to whom, how, and which repeat."""

    key: str
    item: Item
    order: tuple[int, ...]
    protocol: Protocol
    repeat: int
    seed: int

    @property
    def shown(self) -> tuple[Response, ...]:
        """The responses in the order shown."""
        return tuple(self.item.responses[i] for i in self.order)


def to_item_coordinates(order: Sequence[int], shown: Sequence[float]) -> tuple[float, ...]:
    """Utilities by position shown -> utilities by item index (of the responses shown)."""
    return tuple(value for _, value in sorted(zip(order, shown, strict=True)))


@dataclass(frozen=True, slots=True)
class Usage:
    """What one trial took. Tokens: counts >= 0, None when the judge has none or did not say.
    `cached_tokens` are part of `prompt_tokens`, `reasoning_tokens` of `completion_tokens`.
    `latency_s`: seconds from asking to answer, retries included. `cost_usd`: US dollars."""

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    latency_s: float | None = None
    cost_usd: float | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise BenchError(f"usage: {name} is {value}; a finite number >= 0 expected")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came back from one trial.

    `utilities`: one finite number per response shown, in item order, higher is better; None
    exactly when `status` is not OK. `confidence`: probability in [0, 1] that the verdict is
    right, by the judge's own account. `raw`: the judge's evidence, as text. `note`: for a
    failure, what happened. `cut`: it was made on a part of what was shown, since the whole is
    longer than the judge reads.
    """

    key: str
    status: Status
    utilities: tuple[float, ...] | None = None
    confidence: float | None = None
    raw: str = ""
    usage: Usage = Usage()
    note: str = ""
    cut: bool = False

    def __post_init__(self) -> None:
        if (self.status is Status.OK) != (self.utilities is not None):
            raise BenchError(f"verdict {self.key}: status {self.status} with {self.utilities}")
        if self.utilities is not None and not all(map(math.isfinite, self.utilities)):
            raise BenchError(f"verdict {self.key}: utilities {self.utilities} are not finite")
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise BenchError(f"verdict {self.key}: confidence {self.confidence} is outside [0, 1]")


def verdict(
    trial: Trial,
    shown: Sequence[float],
    *,
    confidence: float | None = None,
    raw: str = "",
    usage: Usage = Usage(),
    cut: bool = False,
) -> Verdict:
    """An OK verdict from utilities in the order shown."""
    utilities = to_item_coordinates(trial.order, shown)
    return Verdict(trial.key, Status.OK, utilities, confidence, raw, usage, cut=cut)


def failure(
    trial: Trial,
    status: Status,
    *,
    raw: str = "",
    usage: Usage = Usage(),
    note: str = "",
) -> Verdict:
    """A verdict that is none."""
    return Verdict(trial.key, status, raw=raw, usage=usage, note=note)


@dataclass(frozen=True, slots=True)
class TaskCard:
    """What a task is. `name`: as in tables. `domains`: of `DOMAINS`, empty where only the items
    tell. `labels`: who said what is right, and how strongly where that was asked. `revision`:
    commit, version or content hash of the source, known before the items are read where possible.
    `pairs`: how items were made of what the authors publish. `clusters`: what ties items together
    beside the prompt. `training_source`: made to learn from; its labels are no test. `traps`: what
    a reader of its scores must know."""

    name: str
    title: str
    domains: tuple[str, ...]
    labels: str
    licence: str
    revision: str
    url: str | None = None
    citation: str | None = None
    synthetic: bool = False
    pairs: str = "as published"
    clusters: str = "the prompt"
    training_source: bool = False
    traps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgeCard:
    """What a judge is, typed, and the part of it that is its identity.

    `name`: as in tables, unique in a run. `kind`: null, planted, replay, prompted, probe, ...
    `protocols`: how it can be asked. `order_free`: the order shown cannot matter, so the planner
    makes one trial. `sees`: the aspects of an item that it is given. `revision`: of its weights,
    recorded file or learnt numbers. `settings`: whatever else changes its verdicts (prompt hash,
    engine, dtype, temperature, ...). `parameters`: number of weights. `trained`: fitted for
    judging. `orders`: "first" when only the items' own order can be had (a recording of one
    order). `tasks`: the only tasks it can judge, None for all. `max_responses`: longest list it
    can be shown. `families`: beginnings of the names of models that are its kin: its own family
    and those that its training labels came from. `paid`: each call costs money. `usd_per_mtok`:
    list price of (input, cached input, output) million tokens.
    """

    name: str
    kind: str
    protocols: tuple[Protocol, ...]
    description: str = ""
    order_free: bool = False
    orders: Orders = "all"
    sees: tuple[Aspect, ...] = ("text",)
    model: str | None = None
    revision: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    parameters: int | None = None
    trained: bool = False
    trained_on: tuple[str, ...] = ()
    tasks: tuple[str, ...] | None = None
    max_responses: int = MAX_RESPONSES
    families: tuple[str, ...] = ()
    licence: str | None = None
    samples: int = 1
    context: int | None = None
    cuts: str = ""
    paid: bool = False
    usd_per_mtok: tuple[float, float, float] | None = None
    price_share: float = 1.0
    usd_per_hour: float | None = None

    def __post_init__(self) -> None:
        for value, kind in [(p, Protocol) for p in self.protocols] + [
            (a, Aspect) for a in self.sees
        ]:
            if value not in get_args(kind):
                raise BenchError(
                    f"judge {self.name!r}: {value!r} is not one of {', '.join(get_args(kind))}"
                )
        if not self.protocols:
            raise BenchError(f"judge {self.name!r}: no protocol; at least one expected")
        if self.samples < 1:
            raise BenchError(f"judge {self.name!r}: {self.samples} samples; 1 or more expected")

    @property
    def identity(self) -> str:
        """Content key of everything that can change a verdict: not the price, and not the name
        where a model, a revision or settings say what the judge is."""
        own = (self.model, self.revision, self.settings)
        # A card that says nothing else of itself is known by its name alone.
        name = None if any(own) else self.name
        return content_key(self.kind, *own, self.order_free, self.sees, name)


class Task(ABC):
    """A source of items. `asked`: the spec that it was made from, which finds it again."""

    card: TaskCard
    asked: str = ""

    @abstractmethod
    def items(self, split: Split | None = None) -> Iterator[Item]:
        """The items of one split, or without a split those that the bench shows.

        Raises BenchError when the source cannot be had or does not hold what it should.
        """

    def recorded(self, source: str) -> Iterator[Mapping[str, Any]]:
        """Verdicts that the set's authors recorded under the name `source`, in the verdict
        interchange format. Raises BenchError with the names that exist."""
        raise BenchError(f"task {self.card.name!r} has no recorded verdicts; {source!r} was asked")


class Judge(ABC):
    """Anything that is shown a trial and gives a verdict."""

    card: JudgeCard
    training_prompts: frozenset[str] = frozenset()
    """Prompt keys that the judge was fitted on: such items leave the run."""
    library_usd: float | None = None
    """What the library behind the judge says that its answers so far cost, where it knows: beside
    our own figure, which alone counts."""

    @abstractmethod
    def judge(self, trials: Iterable[Trial]) -> Iterator[Verdict]:
        """One verdict per trial, in any order, as they come. A trial that fails is a verdict with
        a failure status; an exception means that the judge cannot go on at all."""

    def close(self) -> None:  # noqa: B027  (most judges hold nothing)
        """Free the model. Called once, also after an exception."""


@dataclass(frozen=True)
class Context:
    """What a judge may use while it is being built: the run's tasks (to learn from their training
    split), a folder for what is costly to make again, the number of threads (None: the engine's
    own choice), the run's seed, whether the user agreed to code from a model's repository, a line
    to tell the user what is going on, and how a judge of judges makes its members."""

    tasks: tuple[Task, ...] = ()
    cache: Path = Path()
    threads: int | None = None
    seed: int = 0
    remote_code: bool = False
    say: Callable[[str], None] = print
    make: Callable[[str], Judge] | None = None
