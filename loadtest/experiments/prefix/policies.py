"""What caches of checkpoints, with different policies and of different sizes, would have given of recorded requests.

All states of a model have one size, whatever their position, so a size is a number of checkpoints. One tier: it stands
for the largest of a server's, which hold what the smaller ones do.
"""

import numpy

LEAST, LADDER, LEAST_END, CANDIDATES, SUPERSEDED = 64, 8_192, 8, 32, 1 / 16  # engine/prefix/prefix_cache.h


class Visit:
    """A request, as places in `Texts`."""

    def __init__(self, texts, prompt, answer):
        self.tokens = len(prompt)
        self.end, self.known = texts.add(prompt)
        if self.known == self.end:
            self.known = texts.at(self.end, self.tokens - 1)
        self.reachable = min(texts.length[self.known], self.tokens - 1)
        # The last token of an answer is never fed back.
        self.answer, _ = texts.add(numpy.concatenate([prompt, answer[:-1]]))
        self.ladder = [texts.at(self.end, step) for step in range(LADDER, self.tokens, LADDER)]


class Cache:
    """LRU, and what the others have in common. Checkpoints are written where the server writes them."""

    def __init__(self, texts, size):
        self.texts, self.size = texts, size
        self.slot, self.clock = {}, 0  # of a place with a checkpoint
        many = size or 1
        self.place, self.used = numpy.zeros(many, numpy.int64), numpy.full(many, 0.0)
        self.free = list(range(size))[::-1] if size else None
        self.children = {}
        self.evictions = 0

    def path(self, place):
        while place:
            yield place
            place = self.texts.above[place]

    def lookup(self, visit):
        for place in self.path(visit.end):
            if place in self.slot and self.texts.length[place] < visit.tokens:
                self.touch(place)
                return self.texts.length[place]
        return 0

    def touch(self, place):
        self.clock += 1
        if self.size:
            self.used[self.slot[place]] = self.clock

    def wanted(self, visit, start):
        """The places within a prompt that get a checkpoint."""
        length, chosen = self.texts.length, []
        for place in [visit.known, *visit.ladder]:
            at = length[place]
            if at >= start + LEAST and at < visit.tokens and all(abs(length[c] - at) >= LEAST for c in chosen):
                chosen.append(place)
        chosen.sort(key=lambda place: length[place])
        if visit.tokens >= (length[chosen[-1]] if chosen else start) + LEAST_END:
            chosen.append(visit.end)
        return chosen

    def write(self, place):
        if place in self.slot:
            return
        slot = None
        if self.size:
            if not self.free:
                self.evict()
            slot = self.free.pop()
            self.place[slot] = place
        self.slot[place] = slot
        self.touch(place)
        self.wrote(place)

    def lose(self, place):
        self.free.append(self.slot.pop(place))
        self.evictions += 1

    def evict(self):
        self.lose(int(self.place[int(numpy.argmin(self.used))]))

    def wrote(self, place):
        pass

    def see(self, place):
        """A text goes this way: which places have others below them."""
        below = None
        for at in [*self.path(place), 0]:
            if below is not None:
                kin = self.children.setdefault(at, set())
                if below in kin:
                    return
                kin.add(below)
            below = at

    def nearest(self, place):
        """The next checkpoint before a place on the way to it; 0: none."""
        return next((at for at in self.path(self.texts.above[place]) if at in self.slot), 0)

    def answer_end(self, visit):
        length = self.texts.length
        if length[visit.answer] >= length[self.nearest(visit.answer)] + LEAST_END:
            self.write(visit.answer)

    def visit(self, visit):
        self.see(visit.end)
        got = self.lookup(visit)
        for place in self.wanted(visit, got):
            self.write(place)
        self.see(visit.answer)
        self.answer_end(visit)
        return got


class Batucada(Cache):
    """Tokens up to the nearest checkpoint before it, by the time since it was used; those left behind count little."""

    def __init__(self, texts, size):
        super().__init__(texts, size)
        self.left_behind = set()
        self.draw = numpy.random.default_rng(0)

    def wrote(self, place):
        self.left_behind.discard(place)
        above = self.nearest(place)
        if not above:
            return
        between = place
        branches = False
        while between != above:
            between = self.texts.above[between]
            branches = branches or len(self.children.get(between, ())) > 1
        if not branches:
            self.left_behind.add(above)

    def may_go_first(self, place):
        return place in self.left_behind and len(self.children.get(place, ())) <= 1

    def worth(self, place):
        above = self.nearest(place)
        while above and self.may_go_first(above) and not self.may_go_first(place):  # as good as gone
            above = self.nearest(above)
        worth = (self.texts.length[place] - self.texts.length[above]) / (self.clock - self.used[self.slot[place]] + 1)
        return worth * SUPERSEDED if self.may_go_first(place) else worth

    def evict(self):
        slots = range(self.size) if self.size <= 2 * CANDIDATES else self.draw.integers(0, self.size, CANDIDATES)
        self.lose(min((int(self.place[slot]) for slot in slots), key=self.worth))


class Marconi(Cache):
    """arXiv 2411.19379: checkpoints where texts part and where answers end; what is lost has the least recency + α ×
    computing saved per byte, both scaled to 0…1, of those with at most one below. States here have one size and layers
    of a window cost the same for every token, so what is saved per byte is tokens up to the checkpoint before."""

    def __init__(self, texts, size, alpha):
        super().__init__(texts, size)
        self.alpha = alpha
        self.gain, self.parts = numpy.zeros(max(size, 1)), numpy.zeros(max(size, 1), bool)
        self.over, self.under = {}, {}  # the nearest checkpoint above one; those to which one is the nearest

    def wanted(self, visit, start):
        length = self.texts.length
        known = length[visit.known]
        return [visit.known] if start < known < visit.tokens else []

    def answer_end(self, visit):
        self.write(visit.answer)

    def see(self, place):
        super().see(place)
        for at in self.path(place):
            if at in self.slot and self.size:
                self.parts[self.slot[at]] = len(self.children.get(at, ())) > 1

    def _hang(self, place, above):
        self.over[place] = above
        self.under.setdefault(above, set()).add(place)
        self.gain[self.slot[place]] = self.texts.length[place] - self.texts.length[above]

    def wrote(self, place):
        if not self.size:
            return
        self.parts[self.slot[place]] = len(self.children.get(place, ())) > 1
        above = self.nearest(place)
        for below in list(self.under.get(above, ())) if self.children.get(place) else ():
            if place in self.path(below):
                self.under[above].discard(below)
                self._hang(below, place)
        self._hang(place, above)

    def evict(self):
        low, high = self.used.min(), self.used.max()
        score = (self.used - low) / max(high - low, 1) + self.alpha * self.gain / max(self.gain.max(), 1)
        place = int(self.place[int(numpy.argmin(numpy.where(self.parts, numpy.inf, score)))])
        above = self.over.pop(place)
        self.under[above].discard(place)
        slot = self.slot[place]
        self.lose(place)
        self.gain[slot] = 0
        for below in self.under.pop(place, ()):
            self._hang(below, above)


def hits(visits, cache):
    return numpy.array([cache.visit(visit) for visit in visits])
