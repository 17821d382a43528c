"""Writes draws.json beside this file: plot seeds and draws by `hashlib`, without our code."""

import hashlib
import json
from pathlib import Path
from typing import Any


def blake(size: int, tag: str, *parts: bytes) -> bytes:
    data = bytes([len(tag)]) + tag.encode()
    for part in parts:
        data += len(part).to_bytes(4, "little") + part
    return hashlib.blake2b(data, digest_size=size).digest()


def case(number: int, front: int, rear: int, count: int) -> dict[str, Any]:
    genesis, miner, seed = (
        hashlib.sha256(f"{name} {number}".encode()).digest() for name in ("g", "m", "s")
    )
    width = rear - front
    data = b"".join(
        blake(64, "cess/pois/draw/v1", seed, block.to_bytes(8, "little")) for block in range(count)
    )
    numbers = (int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8))
    kept = (value % width for value in numbers if value < 2**64 - 2**64 % width)
    draws = []
    for t in range(count):
        index = front + next(kept)
        challenge = blake(
            32, "cess/pois/challenge/v1", seed, t.to_bytes(4, "little"), index.to_bytes(8, "little")
        )
        draws.append([t, index, challenge.hex()])
    return {
        "genesis": genesis.hex(),
        "miner": miner.hex(),
        "k": 18 + number,
        "plot_seeds": {
            str(index): blake(
                32,
                "cess/pois/plot/v1",
                genesis,
                miner,
                index.to_bytes(8, "little"),
                bytes([18 + number]),
            ).hex()
            for index in (front, rear - 1, 2**64 - 1)
        },
        "seed": seed.hex(),
        "front": front,
        "rear": rear,
        "draws": draws,
    }


def main() -> None:
    cases = [case(0, 0, 1, 3), case(1, 5, 12, 20), case(2, 2**40, 2**40 + 3 * 2**46, 8)]
    Path(__file__).with_name("draws.json").write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
