"""A fixed pseudo-random order for responses whose original order gives the answer away."""

from __future__ import annotations

import string
from collections.abc import Sequence

from bench.types import Label, Response, content_key

Written = tuple[str, str | None]


def blind(
    item_id: str, written: Sequence[Written], labels: Sequence[Label]
) -> tuple[tuple[Response, ...], tuple[Label, ...]]:
    """The responses of an item in an order that follows from its id alone, with neutral ids, and
    the labels turned with them.

    `written`: (text, writer) of each response, and `labels`, in the order of the original.
    """
    order = sorted(range(len(written)), key=lambda i: content_key(item_id, i))
    names = string.ascii_lowercase if len(order) <= 26 else [f"{i:02}" for i in range(len(order))]
    responses = tuple(Response(names[at], *written[i]) for at, i in enumerate(order))
    turned = tuple(Label(x.annotator, tuple(x.utilities[i] for i in order)) for x in labels)
    return responses, turned
