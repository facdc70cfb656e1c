"""Levels and cycles of who waits for whom.  Batch rules 1.2 and 2.1.

A graph names for every node the nodes it waits for; every name it mentions is a node of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping

Graph = Mapping[str, Collection[str]]


def levels(graph: Graph) -> list[list[str]]:
    """Nodes by 1 + deepest dependency, in the graph's order inside a level.

    What stands in a cycle, or waits for one, has no level and is left out.
    """
    placed: set[str] = set()
    found: list[list[str]] = []
    while level := [node for node in graph if node not in placed and placed.issuperset(graph[node])]:
        placed.update(level)
        found.append(level)
    return found


def cycles(graph: Graph) -> Iterator[list[str]]:
    """One cycle, first node repeated at its end, for every strongly connected group of two or more.

    It starts at the group's first node and is the shortest one through it.
    """
    free = {node for level in levels(graph) for node in level}
    told: set[str] = set()
    for node in graph:
        if node in free or node in told:
            continue
        came_from = _reach(graph, node)
        if node in came_from:
            told.update(other for other in came_from if node in _reach(graph, other))
            yield _way_back(came_from, node)


def _reach(graph: Graph, start: str) -> dict[str, str]:
    """For every node that ``start`` waits for, however indirectly: who asks for it on the shortest way."""
    came_from: dict[str, str] = {}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for needed in graph[node]:
            if needed not in came_from:
                came_from[needed] = node
                waiting.append(needed)
    return came_from


def _way_back(came_from: Mapping[str, str], node: str) -> list[str]:
    way = [node, came_from[node]]
    while way[-1] != node:
        way.append(came_from[way[-1]])
    return way[::-1]
