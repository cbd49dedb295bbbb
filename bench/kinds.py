"""What is known of a kind of judge before one is made: said at its factory, listed by `judges`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

Factory = TypeVar("Factory", bound=Callable[..., Any])
Cost = Literal["nothing", "this machine", "per call", "its members'"]


@dataclass(frozen=True)
class Facts:
    """`trained`: fitted for judging; None: as its card says. `order_free`: the order shown cannot
    matter; None: as its prompt says. `cost`: what a verdict costs. `extras`: of the package, that
    must be installed."""

    trained: bool | None
    order_free: bool | None
    cost: Cost
    extras: tuple[str, ...] = ()


def kind(
    *,
    trained: bool | None,
    order_free: bool | None,
    cost: Cost,
    extras: tuple[str, ...] = (),
) -> Callable[[Factory], Factory]:
    """Says the facts of a kind at its factory: see `Facts`."""

    def mark(factory: Factory) -> Factory:
        factory.facts = Facts(trained, order_free, cost, extras)  # type: ignore[attr-defined]
        return factory

    return mark
