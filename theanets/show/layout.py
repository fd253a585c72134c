"""Placing the nodes of an acyclic graph in rows, so that arrows point down and seldom cross.

This is the layered drawing of K Sugiyama, S Tagawa, M Toda, "Methods for Visual Understanding of Hierarchical System
Structures", IEEE Trans. Systems, Man, and Cybernetics 11(2), 1981: nodes are put in rows; edges that skip rows get a
waypoint in each of them; nodes of a row are sorted by where their neighbours are; and then they are moved to the side,
as close to their neighbours as the others let them.
"""

import dataclasses

__all__ = ["Node", "Edge", "arrange"]

#: How often rows are swept over, down and up again: to sort them, and to move nodes to the side.
SORTING, MOVING = 8, 60


@dataclasses.dataclass(eq=False)
class Node:
    """A node of the layout: a box, or a waypoint of an edge, which is a box without a width.

    Attributes
    ----------
    width : float
        How much room it takes in its row.
    row : int
        Its row, counted from the top.
    x : float
        The position of its middle, from the left.
    """

    width: float
    row: int = 0
    x: float = 0.0


@dataclasses.dataclass(eq=False)
class Edge:
    """An arrow.

    Attributes
    ----------
    source, target : Node
        Its ends.
    waypoints : list of Node
        One for each row between them.
    """

    source: Node
    target: Node
    waypoints: list = dataclasses.field(default_factory=list)

    @property
    def path(self):
        """All nodes on the way, with both ends."""
        return [self.source, *self.waypoints, self.target]


def arrange(nodes, edges, gap=24.0, waypoint=12.0):
    """Place nodes, and route edges.

    Parameters
    ----------
    nodes : list of Node
        The nodes, each after those that it is reached from. Their ``row`` and ``x`` are set.
    edges : list of Edge
        The edges. Their ``waypoints`` are set.
    gap : float, optional
        Distance between neighbours in a row. Default 24.
    waypoint : float, optional
        Width of the room for a passing edge. Default 12.

    Returns
    -------
    rows : list of list of Node
        Nodes and waypoints, from top to bottom and from left to right.

    Examples
    --------
    >>> a, b, c = (Node(10) for _ in range(3))
    >>> rows = arrange([a, b, c], [Edge(a, b), Edge(b, c), Edge(a, c)])
    >>> [node.row for node in (a, b, c)], [len(row) for row in rows]
    ([0, 1, 2], [1, 2, 1])
    """
    _choose_rows(nodes, edges)
    rows = [[] for _ in range(1 + max(node.row for node in nodes))]
    for node in nodes:
        rows[node.row].append(node)
    links = []
    for edge in edges:
        edge.waypoints = [Node(waypoint, row) for row in range(edge.source.row + 1, edge.target.row)]
        for node in edge.waypoints:
            rows[node.row].append(node)
        links.extend(zip(edge.path, edge.path[1:]))
    above, below = _neighbours(rows, links)
    for sweep in range(SORTING):
        for row in rows[1:] if sweep % 2 == 0 else rows[-2::-1]:
            _sort(row, rows, above if sweep % 2 == 0 else below)
    for row in rows:
        _spread(row, [0.0] * len(row), [1] * len(row), gap)
    for sweep in range(MOVING):
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            around = [[other.x for other in above[node] + below[node]] or [node.x] for node in row]
            # the sum of squares over all edges never grows, as each node counts as often as it has edges.
            _spread(row, [sum(places) / len(places) for places in around], list(map(len, around)), gap)
    left = min(node.x - node.width / 2 for row in rows for node in row)
    for row in rows:
        for node in row:
            node.x -= left
    return rows


def _choose_rows(nodes, edges):
    """Put each node below all those that it is reached from, and sources right above what they lead to."""
    for node in nodes:
        node.row = max((edge.source.row + 1 for edge in edges if edge.target is node), default=0)
    for node in nodes:
        if not any(edge.target is node for edge in edges):
            node.row = min((edge.target.row - 1 for edge in edges if edge.source is node), default=node.row)


def _neighbours(rows, links):
    above = {node: [] for row in rows for node in row}
    below = {node: [] for row in rows for node in row}
    for upper, lower in links:
        above[lower].append(upper)
        below[upper].append(lower)
    return above, below


def _sort(row, rows, neighbours):
    """Sort a row by the mean place of the neighbours in the row next to it."""
    places = {node: (i + 0.5) / len(other) for other in rows for i, node in enumerate(other)}
    around = {node: [places[other] for other in neighbours[node]] or [places[node]] for node in row}
    keys = {node: sum(values) / len(values) for node, values in around.items()}
    row.sort(key=keys.get)


def _spread(row, wanted, weights, gap):
    """Move the nodes of a row as close to where they should be, in the least squares sense, as their order allows.

    With the room that nodes take subtracted, this is isotonic regression: neighbours that are in each other's way are
    pooled, and share the mean of their places.
    """
    offsets, position = [], 0.0
    for i, node in enumerate(row):
        if i:
            position += (row[i - 1].width + node.width) / 2 + gap
        offsets.append(position)
    pools = []
    for place, weight, offset in zip(wanted, weights, offsets):
        pools.append([place - offset, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, weight, count = pools.pop()
            before = pools[-1]
            before[0] = (before[0] * before[1] + mean * weight) / (before[1] + weight)
            before[1] += weight
            before[2] += count
    places = [mean for mean, _, count in pools for _ in range(count)]
    for node, place, offset in zip(row, places, offsets):
        node.x = place + offset
