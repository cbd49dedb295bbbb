"""Conversations as most data sets write them: a list of objects with a role and a content."""

from __future__ import annotations

from bench.types import Message
from tasks.rows import Node

_ROLES = ("system", "user", "assistant")


def messages(node: Node) -> tuple[Message, ...]:
    """The messages of such a list, at least one; further fields of a message are not read. Raises
    BenchError for another role, and for a content that is not text."""
    if node.value == []:
        raise node.error("at least one message")
    return tuple(_message(message) for message in node.list())


def _message(node: Node) -> Message:
    role = node.member("role")
    role.choice(_ROLES)
    return Message(role.value, node.member("content").text())
