"""The simulation grid in short, and that it can fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.stats.clusters import Clusters
from bench.stats.intervals import cluster_wilson

SIMULATE = Path(__file__).parent.parent / "simulate"


@pytest.fixture
def grid(monkeypatch):
    monkeypatch.syspath_prepend(str(SIMULATE))
    import grid

    return grid


def test_every_bar_is_met_in_short(grid, capsys):
    assert grid.main(["--short"]) == 0
    text = capsys.readouterr().out
    assert "0 bars missed" in text
    assert text.count("default ") == len(grid.SINGLE) + len(grid.PAIRED)


def test_an_interval_that_ignores_prompts_is_caught(grid, monkeypatch):
    monkeypatch.setattr(
        grid, "cluster_wilson", lambda x, c: cluster_wilson(x, np.arange(c.n_items))
    )
    cell = next(c for c in grid.SINGLE if (c.g, c.size) == (40, 10))
    missed = [bar.what for bar in grid.bars(grid.simulate(cell, 150)) if not bar.met]
    assert missed == ["coverage", "coverage over percentile"]


def test_small_p_values_are_caught(grid):
    cell = next(c for c in grid.PAIRED if c.soft)
    p = np.linspace(0, 1, 500)
    held = dict.fromkeys((grid.DEFAULT, grid.T, grid.PERCENTILE), np.arange(500) >= 20)
    for power, met in ((1, True), (2, False)):
        p_values = dict.fromkeys((grid.SIGNFLIP, grid.INTERVAL_P), p**power)
        found = grid.bars(grid.Result(cell, held, {}, p_values))
        assert all(bar.met for bar in found if "coverage" in bar.what)
        assert {bar.met for bar in found if "coverage" not in bar.what} == {met}


def test_a_bar_is_missed_by_more_than_two_errors_only(grid):
    assert grid.Bar("x", 0.911, 0.93, 0.01).met and not grid.Bar("x", 0.909, 0.93, 0.01).met
    low, high = (grid.Bar("x", x, 0.06, 0.01, at_least=False) for x in (0.079, 0.081))
    assert low.met and not high.met


def test_data_are_what_the_cells_say(grid):
    rng = np.random.default_rng(0)
    for cell in (*grid.SINGLE, *grid.PAIRED):
        values, sizes = zip(*(cell.run(rng) for _ in range(60)), strict=True)
        assert all(isinstance(c, Clusters) and c.n_clusters == cell.g for c in sizes)
        assert not cell.giant or all(c.sizes[0] == cell.giant for c in sizes)
        means = np.array([v.mean() for v in values])
        error = max(means.std(), 1e-3) / np.sqrt(means.size)
        assert abs(means.mean() - cell.truth) < 4 * error, grid.name(cell)
