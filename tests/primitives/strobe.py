"""STROBE-128 by the book, upon a state that is permuted: slow, and held against the product's."""

RATE = 166
MASK = (1 << 64) - 1


def rotated(lane: int, by: int) -> int:
    return (lane << by | lane >> (64 - by)) & MASK if by else lane


def keccak_f1600(state: bytes | bytearray) -> bytes:
    """FIPS 202, section 3, with its loops; round constants from its shift register."""
    lanes = {
        (x, y): int.from_bytes(state[8 * (x + 5 * y) :][:8], "little")
        for x in range(5)
        for y in range(5)
    }
    register = 1
    for _ in range(24):
        sums = [
            lanes[x, 0] ^ lanes[x, 1] ^ lanes[x, 2] ^ lanes[x, 3] ^ lanes[x, 4] for x in range(5)
        ]
        for x, y in lanes:
            lanes[x, y] ^= sums[x - 1] ^ rotated(sums[(x + 1) % 5], 1)
        x, y, turned = 1, 0, {(0, 0): lanes[0, 0]}
        for step in range(24):
            turned[y, (2 * x + 3 * y) % 5] = rotated(lanes[x, y], (step + 1) * (step + 2) // 2 % 64)
            x, y = y, (2 * x + 3 * y) % 5
        lanes = {
            (x, y): turned[x, y] ^ (~turned[(x + 1) % 5, y] & turned[(x + 2) % 5, y] & MASK)
            for x, y in lanes
        }
        for step in range(7):
            if register & 1:
                lanes[0, 0] ^= 1 << ((1 << step) - 1)
            register = register << 1 ^ (0x171 if register & 0x80 else 0)
    return b"".join(lanes[x, y].to_bytes(8, "little") for y in range(5) for x in range(5))


class Strobe:
    """The operations that Merlin uses."""

    def __init__(self, protocol: bytes) -> None:
        header = bytes((1, RATE + 2, 1, 0, 1, 96)) + b"STROBEv1.0.2"
        self.state = bytearray(keccak_f1600(header.ljust(200, b"\0")))
        self.position = self.begin = 0
        self.meta_ad(protocol)

    def meta_ad(self, data: bytes) -> None:
        self._start(0x12)
        self._absorb(data)

    def ad(self, data: bytes) -> None:
        self._start(0x02)
        self._absorb(data)

    def key(self, data: bytes) -> None:
        self._start(0x06)
        for byte in data:
            self.state[self.position] = byte
            self._step()

    def prf(self, length: int) -> bytes:
        self._start(0x07)
        drawn = bytearray()
        for _ in range(length):
            drawn.append(self.state[self.position])
            self.state[self.position] = 0
            self._step()
        return bytes(drawn)

    def _start(self, flags: int) -> None:
        before, self.begin = self.begin, self.position + 1
        self._absorb(bytes((before, flags)))
        if flags & 0x04 and self.position:
            self._permute()

    def _absorb(self, data: bytes) -> None:
        for byte in data:
            self.state[self.position] ^= byte
            self._step()

    def _step(self) -> None:
        self.position += 1
        if self.position == RATE:
            self._permute()

    def _permute(self) -> None:
        self.state[self.position] ^= self.begin
        self.state[self.position + 1] ^= 0x04
        self.state[RATE + 1] ^= 0x80
        self.state[:] = keccak_f1600(self.state)
        self.position = self.begin = 0
