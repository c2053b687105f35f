"""A tree of the texts that a server has seen: where each parts from those before it.

Places are numbers: equal places are equal beginnings of texts, of `length[place]` tokens. `above[place]` is the one
before it on the way.
"""

import numpy


def shared(a, b):
    """Tokens that two texts begin with alike."""
    count = min(len(a), len(b))
    if numpy.array_equal(a[:count], b[:count]):
        return count
    for step in range(0, count, 4096):
        differ = numpy.flatnonzero(a[step : min(step + 4096, count)] != b[step : min(step + 4096, count)])
        if len(differ):
            return step + int(differ[0])
    return low


class Texts:
    def __init__(self):
        self.edges, self.above, self.length, self.below = [numpy.zeros(0, numpy.int32)], [None], [0], [{}]

    def _place(self, edge, above, length):
        self.edges.append(edge)
        self.above.append(above)
        self.length.append(length)
        self.below.append({})
        return len(self.edges) - 1

    def _split(self, place, tokens):
        """The place so many tokens into the edge to `place`."""
        edge, above = self.edges[place], self.above[place]
        middle = self._place(edge[:tokens], above, self.length[above] + tokens)
        self.below[above][int(edge[0])] = middle
        self.below[middle][int(edge[tokens])] = place
        self.edges[place], self.above[place] = edge[tokens:], middle
        return middle

    def add(self, ids):
        """(the place where it ends, the place up to which it was known)"""
        place, at = 0, 0
        while at < len(ids):
            child = self.below[place].get(int(ids[at]))
            if child is None:
                known = place
                new = self._place(ids[at:], place, len(ids))
                self.below[place][int(ids[at])] = new
                return new, known
            same = shared(self.edges[child], ids[at:])
            place = child if same == len(self.edges[child]) else self._split(child, same)
            at += same
        return place, place

    def at(self, place, length):
        """The place on the way to `place` that has so many tokens."""
        while self.length[self.above[place]] >= length:
            place = self.above[place]
        return place if self.length[place] == length else self._split(place, length - self.length[self.above[place]])
