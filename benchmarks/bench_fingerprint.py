"""Fingerprints: MB/s of each unit and of all in one pass, beside SHA-256 of the same bytes.

CPU time of one process, best of several turns in which the ways take turns. Noise has no content
unit; text of up to 4 MiB has one, which costs the most. Every finished fingerprint is also compared
in pairs: distance and bands are what the chain computes.
"""

import hashlib
import io
import os
import random
import sys
import time
from collections.abc import Callable

import iscc_lib

from proofs.fingerprint.similarity import bands, hamming
from proofs.fingerprint.units import TEXT_BYTES_MAX, fingerprint

NOISE_BYTES = 64 << 20
TURNS = 3
PAIRS = 20_000

Work = Callable[[], object]


def prose(size: int) -> bytes:
    chooser = random.Random(1)
    words = ["".join(chooser.choices("abcdefghijklmnoprstuvwyz", k=k)) for k in range(2, 10)] * 40
    chooser.shuffle(words)
    return " ".join(chooser.choices(words, k=size // 4)).encode()[:size]


def streamed(hasher: Callable[[], object], data: bytes) -> Work:
    def work() -> None:
        made = hasher()
        view = memoryview(data)
        for start in range(0, len(data), 1 << 20):
            made.update(bytes(view[start : start + (1 << 20)]))  # type: ignore[attr-defined]
        if hasattr(made, "finalize"):
            made.finalize(256)
        else:
            made.digest()  # type: ignore[attr-defined]

    return work


def table(title: str, data: bytes, ways: dict[str, Work]) -> None:
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(TURNS):
        for name, work in ways.items():
            start = time.process_time()
            work()
            least[name] = min(least[name], time.process_time() - start)
    print(f"{title}, {len(data) / 1e6:.1f} MB")
    reference = least["SHA-256 (hashlib)"]
    for name, seconds in least.items():
        print(
            f"  {name:<34} {len(data) / 1e6 / seconds:>9,.1f} MB/s"
            f"   {reference / seconds:>7.2f} x SHA-256"
        )


def ways_for(data: bytes) -> dict[str, Work]:
    return {
        "SHA-256 (hashlib)": streamed(hashlib.sha256, data),
        "instance unit (BLAKE3)": streamed(iscc_lib.InstanceHasher, data),
        "data unit": streamed(iscc_lib.DataHasher, data),
        "fingerprint, one pass": lambda: fingerprint(io.BytesIO(data)),
    }


def main() -> int:
    noise = os.urandom(NOISE_BYTES)
    table("noise, no content unit", noise, ways_for(noise))
    text = prose(TEXT_BYTES_MAX)
    cleaned = iscc_lib.text_clean(text.decode())
    ways = ways_for(text)
    ways["content unit, bare call"] = lambda: iscc_lib.gen_text_code_v0(cleaned, 256)
    table("text, all units", text, ways)
    codes = [os.urandom(32) for _ in range(PAIRS)]
    start = time.process_time()
    for left, right in zip(codes, reversed(codes), strict=True):
        hamming(left, right)
    compared = time.process_time()
    for code in codes:
        bands(code)
    cut = time.process_time()
    print(
        f"compare two codes {(compared - start) / PAIRS * 1e6:.2f} µs, "
        f"cut one into bands {(cut - compared) / PAIRS * 1e6:.2f} µs"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
