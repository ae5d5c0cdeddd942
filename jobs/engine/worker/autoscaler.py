"""Scale the workers of a program: up as soon as more are needed, down once fewer were enough for a while."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

CALM_SECONDS = 15  # for which fewer workers must be enough before any leaves


@dataclass
class Scale:
    """Between `least` and `most` workers. Times are seconds of a monotonic clock."""

    least: int
    most: int
    calm_seconds: float = CALM_SECONDS
    _asked: deque[tuple[float, int]] = field(default_factory=deque)  # when, and how many, within calm_seconds

    @property
    def elastic(self) -> bool:
        return self.least < self.most

    def wanted(self, needed: int, there: int, now: float) -> int:
        """How many workers there should be, where `there` are running or idle and `needed` are needed."""
        asked = min(max(needed, self.least), self.most)
        self._asked.append((now, asked))
        while len(self._asked) > 1 and self._asked[1][0] <= now - self.calm_seconds:
            self._asked.popleft()  # the first that stays was in force when the period began
        if asked >= there:
            return asked
        calm = self._asked[0][0] <= now - self.calm_seconds
        return min(there, max(many for _, many in self._asked)) if calm else there

    def admit(self) -> None:
        """Raise both bounds: an operator wants one worker more."""
        self.least, self.most = self.least + 1, self.most + 1

    def dismiss(self) -> None:
        """Lower both bounds: an operator has sent one worker away for good."""
        self.least, self.most = max(self.least - 1, 0), max(self.most - 1, 0)
