"""A task as a folder that a stock lm-eval (EleutherAI) runs: one of its tasks per domain, and a
group that averages them.

Each domain is a YAML file with our own words, and a file of JSON Lines with the data: an item in
one order a line, its `prompt` as our judges are shown it. Text of a data set stands only in the
data. lm-eval takes the prompt from the field as it is, so that braces in it are no template. The
scores are made by `bench.lm_eval_scores`, which goes into the folder as `utils.py`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from bench import lm_eval_scores
from bench.outcome import top_set
from bench.plan import Plan, orders, trials
from bench.prepare import prepare
from bench.spec import parse_spec
from bench.types import BenchError, Context, Item, JudgeCard, TaskCard, Trial
from judges.prompt import LETTERS, Prompt, load_prompt

VERSION = 1
"""Of the export: raised when the same items would get another score."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Exported:
    """What was written. `group`: the name to ask lm-eval for. `domains`: name of lm-eval's task ->
    number of items. `undecided`: items left out because all their annotators call them a tie;
    `unlabelled`: because they have none."""

    folder: Path
    group: str
    domains: dict[str, int]
    undecided: int
    unlabelled: int

    @property
    def command(self) -> str:
        """The command line that runs it, with MODEL to be filled in."""
        return (
            "lm_eval run --model hf --model_args pretrained=MODEL,dtype=float32 "
            f"--include_path {shlex.quote(str(self.folder))} --tasks {self.group} "
            "--apply_chat_template --batch_size 1"
        )


def export(task: str, out: Path, limit: int | None, prompt: str) -> Exported:
    """Write the task `task` (as typed) to the folder `out`: the items that `smallclaims run` shows
    with this `limit`, asked with the prompt file `prompt`.

    Raises BenchError as `prepare` and `write` do, and for a prompt that is answered with more than
    a letter.
    """
    asked = _letter_prompt(prompt)
    prepared = prepare(Plan((), (parse_spec(task).text,), limit), Context())
    return write(prepared.tasks[0].card, prepared.items, asked, out)


def write(card: TaskCard, items: Sequence[Item], prompt: Prompt, out: Path) -> Exported:
    """Write `items` of one task to `out`.

    Raises BenchError for a folder that holds something, when no item has a label that decides, and
    for an item that the prompt cannot show.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BenchError(f"{out} is there and not an empty folder; a new one expected as --out")
    decided = [item for item in items if _votes(item)]
    if not decided:
        raise BenchError(
            f"task {card.name!r}: none of {len(items)} items has a label that decides between its "
            "responses; there is nothing to score"
        )
    domains: defaultdict[str, list[Row]] = defaultdict(list)
    for index, trial in trials(decided, _judge(prompt)):
        domains[decided[index].domain].append(_row(decided[index], trial, prompt))
    names = _names(card.name, domains)
    unlabelled = sum(not item.labels for item in items)
    exported = Exported(
        out,
        _name("smallclaims", card.name),
        {names[d]: len({row["item"] for row in rows}) for d, rows in domains.items()},
        undecided=len(items) - len(decided) - unlabelled,
        unlabelled=unlabelled,
    )
    metadata = _metadata(card, prompt, exported)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for domain, rows in domains.items():
            lines = (json.dumps(row) + "\n" for row in rows)
            (out / f"{names[domain]}.jsonl").write_text("".join(lines), encoding="ascii")
            _write_yaml(out, names[domain], _task(names[domain], metadata))
        own = Path(lm_eval_scores.__file__).read_text(encoding="utf-8")
        (out / "utils.py").write_text(own, encoding="utf-8")
        _write_yaml(out, exported.group, _group(exported, metadata))
    except OSError as error:
        raise BenchError(
            f"{out} cannot be written: {error.strerror}. Give another --out."
        ) from error
    return exported


def _letter_prompt(name: str) -> Prompt:
    prompt = load_prompt(name)
    if prompt.answers(2) != ("A", "B"):
        raise BenchError(
            f"prompt {prompt.name!r} may return {', '.join(prompt.returns)}; lm-eval scores "
            "letters, so one that returns a letter alone is expected, for example choice-letter"
        )
    return prompt


def _judge(prompt: Prompt) -> JudgeCard:
    """Whoever lm-eval will run: what it sees decides what is planned for it."""
    return JudgeCard(
        "lm-eval",
        "prompted",
        prompt.protocols,
        sees=prompt.sees,
        max_responses=len(LETTERS),
    )


def _votes(item: Item) -> list[list[int]]:
    """Per label that decides: 1 for each response that it has on top, 0 for the others."""
    tops = [top_set(label.utilities) for label in item.labels]
    n = len(item.responses)
    return [[top >> i & 1 for i in range(n)] for top in tops if top != (1 << n) - 1]


def _row(item: Item, trial: Trial, prompt: Prompt) -> Row:
    """One showing. `votes`: per deciding vote and slot, whether the response is its best."""
    (message,) = prompt.render(trial)
    n = len(trial.order)
    votes = [[vote[i] for i in trial.order] for vote in _votes(item)]
    support = [sum(slot) for slot in zip(*votes, strict=True)]
    return {
        "item": item.id,
        "order": list(trial.order),
        "orders": len(orders(n)),
        "prompt": message.content.encode("utf-8", "replace").decode("utf-8"),
        "choices": [s.format(letter) for letter in LETTERS[:n] for s in lm_eval_scores.SPELLINGS],
        "target": LETTERS[support.index(max(support))],
        "votes": votes,
    }


def _names(task: str, domains: Iterable[str]) -> dict[str, str]:
    """Domain -> a name for lm-eval and its files, different for different domains."""
    names: dict[str, str] = {}
    for domain in domains:
        name = plain = _name("smallclaims", task, domain)
        number = 2
        while name in names.values():
            name, number = f"{plain}_{number}", number + 1
        names[domain] = name
    return names


def _name(*parts: str) -> str:
    """Of letters that neither lm-eval nor a file system minds."""
    plain = (re.sub(r"[^a-z0-9-]+", "_", part.lower()).strip("_-")[:60] for part in parts)
    return "_".join(part or "other" for part in plain)


def _metadata(card: TaskCard, prompt: Prompt, exported: Exported) -> dict[str, Any]:
    return {
        "version": VERSION,
        "title": card.title,
        "licence": card.licence,
        "citation": card.citation,
        "url": card.url,
        "revision": card.revision,
        "labels": card.labels,
        "pairs": card.pairs,
        "synthetic": card.synthetic,
        "prompt": prompt.name,
        "prompt_key": prompt.key,
        "smallclaims": version("smallclaims"),
        "undecided_items_left_out": exported.undecided,
        "unlabelled_items_left_out": exported.unlabelled,
    }


def _task(name: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    metrics = {"mean": True, "strict": True, "first_slot": None}
    return {
        "task": name,
        "custom_dataset": _Function("utils.showings"),
        "dataset_kwargs": {"data_file": f"{name}.jsonl"},
        "test_split": "test",
        "output_type": "multiple_choice",
        "num_fewshot": 0,
        # Names of fields: what stands in the fields is not rendered.
        "doc_to_text": "prompt",
        "doc_to_choice": "choices",
        "doc_to_target": "target",
        "target_delimiter": "",
        "process_results": _Function("utils.process_results"),
        "metric_list": [
            {"metric": m, "aggregation": _Function(f"utils.{m}"), "higher_is_better": better}
            for m, better in metrics.items()
        ],
        "metadata": dict(metadata),
    }


def _group(exported: Exported, metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "group": exported.group,
        "task": list(exported.domains),
        "aggregate_metric_list": [
            {"metric": m, "aggregation": "mean", "weight_by_size": False}
            for m in ("mean", "strict")
        ],
        "metadata": {**metadata, "items": exported.domains},
    }


class _Function(str):
    """A function that lm-eval finds in a file beside the YAML."""


class _Dumper(yaml.SafeDumper):
    """safe_dump that can also name a `_Function`."""


_Dumper.add_representer(
    _Function, lambda dumper, name: dumper.represent_scalar("!function", str(name))
)


def _write_yaml(out: Path, name: str, content: dict[str, Any]) -> None:
    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=96)
    (out / f"{name}.yaml").write_text(text, encoding="utf-8")
