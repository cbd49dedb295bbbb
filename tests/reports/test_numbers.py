"""How numbers are written."""

from __future__ import annotations

import math

import pytest

from reports.numbers import amount, number, signed


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.25, ".250"), (-0.25, "-.250"), (1.0, "1.000"), (10.3, "10.300"), (-0.0001, ".000")],
)
def test_the_nought_before_the_point_alone_goes(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.25, "+.250"), (-10.25, "-10.250"), (20.5, "+20.500"), (math.nan, "–")]
)
def test_signs(value: float, text: str) -> None:
    assert signed(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234.5, "1,234"),
        (0.0, "0"),
        (1.234, "1.23"),
        (0.0000123, "0.0000123"),
        (math.inf, "∞"),
        (math.nan, "–"),
    ],
)
def test_amounts(value: float, text: str) -> None:
    assert amount(value) == text
