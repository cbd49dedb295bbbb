"""The figures of a run, from its tables alone. The library that draws is imported when it draws."""

from __future__ import annotations

from reports.figures.figure import Figure, Tables

__all__ = ["Figure", "Tables", "across_tasks", "every", "figures"]


def figures(tables: Tables, task: str) -> list[Figure]:
    """Those of one task, in the order in which they are read; one that would show nothing (a cost
    that is not known, a single judge) is left out. `tables`: as `reports.tables.build` makes them.
    """
    from reports.figures.break_even import break_even
    from reports.figures.cost import agreement_cost
    from reports.figures.domains import by_domain
    from reports.figures.length import length_bias
    from reports.figures.position import position_map
    from reports.figures.reliability import reliability_diagram
    from reports.figures.risk import risk_coverage
    from reports.figures.rules import order_rules
    from reports.figures.size import agreement_size

    of_a_task = (
        agreement_cost,
        agreement_size,
        by_domain,
        position_map,
        length_bias,
        order_rules,
        reliability_diagram,
        risk_coverage,
        break_even,
    )
    return [made for figure in of_a_task if (made := figure(tables, task)) is not None]


def across_tasks(tables: Tables) -> list[Figure]:
    """Those that compare the tasks of the run."""
    from reports.figures.transfer import transfer_matrix

    return [made] if (made := transfer_matrix(tables)) is not None else []


def every(tables: Tables) -> list[Figure]:
    """Task by task, then those across tasks."""
    tasks = map(str, tables["data"].task.unique())
    return [made for task in tasks for made in figures(tables, task)] + across_tasks(tables)
