"""How much of something a peer may do: a bucket that fills with time, and is taken from."""

__all__ = ["Bucket"]


class Bucket:
    """At most ``burst`` at once, and ``per_second`` in the long run."""

    __slots__ = ("_burst", "_level", "_per_second", "_then_s")

    def __init__(self, burst: float, per_second: float, now_s: float) -> None:
        self._burst = burst
        self._per_second = per_second
        self._level = burst
        self._then_s = now_s

    def take(self, amount: float, now_s: float) -> bool:
        """Take; False, and nothing is taken, if there is not so much."""
        if now_s > self._then_s:
            self._level = min(self._burst, self._level + (now_s - self._then_s) * self._per_second)
            self._then_s = now_s
        if amount > self._level:
            return False
        self._level -= amount
        return True

    def wait_s(self, amount: float, now_s: float) -> float:
        """Seconds until so much can be taken, of at most the burst."""
        if self.take(0, now_s) and self._level >= amount:
            return 0.0
        return (amount - self._level) / self._per_second
