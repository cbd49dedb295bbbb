"""YAML files that people write: judge cards, prompts, which columns of a table are what.

A key that is there twice is refused (YAML itself would take the last), and so is an alias (a few of
them can stand for gigabytes).
"""

from __future__ import annotations

from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from bench.types import BenchError


def is_yaml(name: str) -> bool:
    """Whether the path of a file is meant, not the name of what comes with the package."""
    return name.endswith((".yaml", ".yml"))


def read_yaml(path: Path | Traversable, what: str, *, texts: bool = False) -> Any:
    """What the file holds. `what`: it is, for messages. `texts`: every scalar stays the text that
    it is. Raises BenchError with the file and the line that is wrong."""
    try:
        return yaml.load(path.read_bytes(), _Texts if texts else _Loader)
    except OSError as error:
        raise BenchError(
            f"{what} {path} cannot be read ({error.strerror}); a YAML file expected"
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: 2024-13-45
        raise BenchError(f"{what} {path} is no YAML: {_told(error)}") from error


def _told(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())[:300] or type(error).__name__


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "an alias; none expected", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = []
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            name = self.construct_object(key, deep=True)
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {name!r} is there twice; once expected", key.start_mark
                )
            seen.append(name)
        return super().construct_mapping(node, deep)


class _Texts(_Loader):
    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012  # what the library reads
