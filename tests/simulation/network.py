"""How messages travel between nodes: late, out of order, twice, or not at all.

``Network.arrivals`` says when one message reaches its receiver: never, once, or several times. Each
message draws its own delay, so later ones overtake earlier ones. Links are cut one way or both,
nodes may send slowly (a queue in front of a narrow uplink), and whole groups are cut off. Cutting a
link loses what is sent from then on, not what is on its way.
"""

import random
from dataclasses import dataclass, field

HEADER_BYTES = 60
"""What framing adds to a message."""


@dataclass(frozen=True, slots=True)
class Weather:
    """How the network treats a message now."""

    delay_ms: tuple[int, int] = (5, 60)
    loss: float = 0.0
    twice: float = 0.0
    """The chance that a message comes again, much later."""
    late: float = 0.0
    """The chance that a message takes ``late_ms`` more."""
    late_ms: int = 20_000


FAIR = Weather()


@dataclass
class Network:
    """See the module's text."""

    draw: random.Random
    weather: Weather = FAIR
    cut: dict[tuple[int, int], int] = field(default_factory=dict)
    """Links, by sender and receiver, and how many faults cut them."""
    bytes_per_s: dict[int, int] = field(default_factory=dict)
    """Narrow uplinks."""
    _busy_until: dict[int, int] = field(default_factory=dict)
    sent: int = 0
    lost: int = 0

    def cut_link(self, sender: int, receiver: int) -> None:
        self.cut[sender, receiver] = self.cut.get((sender, receiver), 0) + 1

    def mend_link(self, sender: int, receiver: int) -> None:
        left = self.cut.get((sender, receiver), 0) - 1
        if left > 0:
            self.cut[sender, receiver] = left
        else:
            self.cut.pop((sender, receiver), None)

    def is_cut(self, one: int, other: int) -> bool:
        """Whether a link is cut, in any direction."""
        return (one, other) in self.cut or (other, one) in self.cut

    def arrivals(
        self, sender: int, receiver: int, now: int, size_bytes: int, *, is_reliable: bool = False
    ) -> tuple[int, ...]:
        """When this message arrives; a reliable one is sent again where it is lost, and once."""
        self.sent += 1
        draw, weather = self.draw, self.weather
        if self.cut and (sender, receiver) in self.cut:
            self.lost += 1
            return ()
        again = 0
        if weather.loss and draw.random() < weather.loss:
            if not is_reliable:
                self.lost += 1
                return ()
            again = 200 + int(draw.random() * 1500)
        low, high = weather.delay_ms
        at = now + again + low + int(draw.random() * (high - low))
        if self.bytes_per_s:
            rate = self.bytes_per_s.get(sender)
            if rate:
                start = max(self._busy_until.get(sender, now), now)
                ready = start + (size_bytes + HEADER_BYTES) * 1000 // rate
                if ready > now + 60_000:
                    self.lost += 1  # the queue is full
                    return ()
                self._busy_until[sender] = ready
                at += ready - now
        if weather.late and draw.random() < weather.late:
            at += int(draw.random() * weather.late_ms)
        if weather.twice and not is_reliable and draw.random() < weather.twice:
            return at, at + int(draw.random() * weather.late_ms)
        return (at,)
