"""How many workers a program keeps: more as soon as more are needed, fewer once fewer were enough for a while."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

CALM_SECONDS = 15  # for which fewer workers must be enough before any leaves, where nothing else is said


@dataclass
class Scale:
    """Between `least` and `most` workers. Times are of any clock that only goes forward, in seconds."""

    least: int
    most: int
    calm_seconds: float = CALM_SECONDS
    _asked: deque[tuple[float, int]] = field(default_factory=deque)  # when, and for how many, of the last while

    @property
    def elastic(self) -> bool:
        return self.least < self.most

    def wanted(self, needed: int, there: int, now: float) -> int:
        """How many there should be, with `there` of them at work or ready for it and `needed` asked for."""
        asked = min(max(needed, self.least), self.most)
        self._asked.append((now, asked))
        while len(self._asked) > 1 and self._asked[1][0] <= now - self.calm_seconds:
            self._asked.popleft()  # the first that stays is the one that held when the while began
        if asked >= there:
            return asked
        calm = self._asked[0][0] <= now - self.calm_seconds
        return min(there, max(many for _, many in self._asked)) if calm else there

    def dismiss(self) -> None:
        """One worker was sent away for good."""
        self.least, self.most = max(self.least - 1, 0), max(self.most - 1, 0)
