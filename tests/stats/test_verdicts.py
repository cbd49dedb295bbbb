from __future__ import annotations

import math

import numpy as np
import pytest

from bench.stats.verdicts import complete, maybe, verdicts
from bench.types import BenchError


def test_missing_is_nan():
    np.testing.assert_array_equal(
        verdicts([1, None, math.nan, -1, 0], "v"), [1, np.nan, np.nan, -1, 0]
    )
    np.testing.assert_array_equal(maybe([None, 0.3], -1, 1, "x"), [np.nan, 0.3])
    two = np.array([[1, np.nan], [0, 1]])
    np.testing.assert_array_equal(complete(a=np.zeros(2), b=two), [False, True])
    assert complete(a=np.empty((0, 3))).shape == (0,)


def test_anything_else_is_refused_with_its_position():
    with pytest.raises(BenchError, match=r"v\[1\] is 0.5; a value in {-1, 0, 1} or NaN"):
        verdicts([1, 0.5], "v")
    with pytest.raises(BenchError, match=r"x\[0\] is 1.5; a value in \[-1, 1\] or NaN"):
        maybe([1.5, None], -1, 1, "x")
    with pytest.raises(BenchError, match=r"x\[0\] is inf; a value in the finite numbers"):
        maybe([math.inf], -math.inf, math.inf, "x")
    with pytest.raises(BenchError, match="v: could not convert"):
        verdicts(["A"], "v")
    with pytest.raises(BenchError, match="2 dimension"):
        verdicts([1], "v", ndim=2)
    with pytest.raises(BenchError, match="a 1, b 2"):
        complete(a=np.zeros(1), b=np.zeros(2))
