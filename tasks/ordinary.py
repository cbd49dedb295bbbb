"""The ordinary row of the interchange format, built in one go.

Nearly every row of a large file is right in the simplest way. It is recognised here by plain type
checks, which takes a third of the time of walking it field by field. A row with anything else in
it, right or wrong, is left to `tasks.jsonl.parse_item`, which alone knows the whole format and says
what is wrong: a field that is added there needs nothing here.
"""

from __future__ import annotations

from typing import Any

from bench.types import MAX_RESPONSES, Item, Label, Message, Response

_REQUIRED = frozenset({"id", "domain", "prompt", "responses", "labels"})
_FIELDS = _REQUIRED | {"subset"}
_MESSAGE = frozenset({"role", "content"})
_RESPONSE = (frozenset({"id", "text"}), frozenset({"id", "text", "model"}))
_LABEL = frozenset({"annotator", "preferred"})
_ROLES = ("system", "user", "assistant")


def ordinary(row: dict[str, Any], task: str) -> Item | None:
    """The item that `parse_item` makes of the row, or None where the row is not ordinary: it has
    no field but the required ones and a subset, and its labels say `preferred` alone."""
    if not _REQUIRED <= row.keys() <= _FIELDS:
        return None
    name, domain, subset = row["id"], row["domain"], row.get("subset")
    if type(name) is not str or type(domain) is not str or not name or not domain:
        return None
    if subset is not None and type(subset) is not str:
        return None
    prompt, responses = _prompt(row["prompt"]), _responses(row["responses"])
    if prompt is None or responses is None:
        return None
    labels = _labels(row["labels"], len(responses))
    if labels is None:
        return None
    return Item(name, task, domain, prompt, responses, labels, subset)


def _prompt(messages: Any) -> tuple[Message, ...] | None:
    if type(messages) is not list or not messages:
        return None
    made = []
    for message in messages:
        if type(message) is not dict or message.keys() != _MESSAGE:
            return None
        role, content = message["role"], message["content"]
        if role not in _ROLES or type(content) is not str:
            return None
        made.append(Message(role, content))
    return tuple(made)


def _responses(responses: Any) -> tuple[Response, ...] | None:
    if type(responses) is not list or not 2 <= len(responses) <= MAX_RESPONSES:
        return None
    made = []
    for response in responses:
        if type(response) is not dict or response.keys() not in _RESPONSE:
            return None
        name, text, model = response["id"], response["text"], response.get("model")
        if type(name) is not str or not name or type(text) is not str:
            return None
        if model is not None and type(model) is not str:
            return None
        made.append(Response(name, text, model))
    return tuple(made) if len({response.id for response in made}) == len(made) else None


def _labels(labels: Any, n: int) -> tuple[Label, ...] | None:
    if type(labels) is not list or not labels:
        return None
    made = []
    for label in labels:
        if type(label) is not dict or label.keys() != _LABEL:
            return None
        annotator, preferred = label["annotator"], label["preferred"]
        if type(annotator) is not str or not annotator:
            return None
        utilities = [0.0] * n
        if type(preferred) is int and 0 <= preferred < n:
            utilities[preferred] = 1.0
        elif preferred != "tie":
            return None
        made.append(Label(annotator, tuple(utilities)))
    return tuple(made) if len({label.annotator for label in made}) == len(made) else None
