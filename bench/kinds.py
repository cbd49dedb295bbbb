"""What is known of a kind of judge before one is made: said at its factory, listed by `judges`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any, Literal, TypeVar

Factory = TypeVar("Factory", bound=Callable[..., Any])
Cost = Literal["nothing", "this machine", "per call", "its members'"]


@dataclass(frozen=True)
class Facts:
    """`trained`: fitted for judging; None: as its card says. `order_free`: the order shown cannot
    matter; None: as its prompt says. `cost`: what a verdict costs. `extras`: of the package, that
    must be installed. `options`: a spec as it is typed -> the dataclass of the options that it
    takes, or its `module:Name` where that is imported later."""

    trained: bool | None
    order_free: bool | None
    cost: Cost
    extras: tuple[str, ...] = ()
    options: Mapping[str, type[Any] | str] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, type[Any]]:
        """`options`, with every class imported."""
        return {t: resolve_name(c) if isinstance(c, str) else c for t, c in self.options.items()}


def kind(
    *,
    trained: bool | None,
    order_free: bool | None,
    cost: Cost,
    extras: tuple[str, ...] = (),
    options: Mapping[str, type[Any] | str] | None = None,
) -> Callable[[Factory], Factory]:
    """Says the facts of a kind at its factory: see `Facts`."""

    def mark(factory: Factory) -> Factory:
        facts = Facts(trained, order_free, cost, extras, options or {})
        factory.facts = facts  # type: ignore[attr-defined]
        return factory

    return mark
