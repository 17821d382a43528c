"""Writes challenge.json and rounds.json beside this file, without any of the project's code.

Challenges are derived by `hashlib` and a plain shuffle of the whole population; commitments and
openings come from `ckzg` with eth-account's copy of the setup; combinations are sums of integers.
Run by hand: `python tests/vectors/podr2/generate.py`. Takes about ten seconds.
"""

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import ckzg

HERE = Path(__file__).parent
ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
ROW_BYTES = 4096 * 31
SETUP = "typed_transactions/blob_transactions/kzg_trusted_setup.txt"


def framed(tag: str, *parts: bytes) -> bytes:
    out = bytes([len(tag)]) + tag.encode()
    for part in parts:
        out += len(part).to_bytes(4, "little") + part
    return out


def blake(size: int, tag: str, *parts: bytes) -> bytes:
    return hashlib.blake2b(framed(tag, *parts), digest_size=size).digest()


def stream(tag: str, seed: bytes, count: int) -> bytes:
    return b"".join(blake(64, tag, seed, i.to_bytes(8, "little")) for i in range(count))


def seed_of(round_: dict[str, Any]) -> bytes:
    return blake(
        32,
        "cess/podr2/round/v1",
        bytes.fromhex(round_["genesis"]),
        round_["block_number"].to_bytes(8, "little"),
        bytes.fromhex(round_["randomness"]),
        bytes.fromhex(round_["miner"]),
        round_["round"].to_bytes(8, "little"),
    )


def positions(seed: bytes, population: int, count: int) -> list[int]:
    """The first cells of a Fisher-Yates shuffle of a whole list."""
    data = stream("cess/podr2/position/v1", seed, count)
    numbers = iter(int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8))
    cells = list(range(population))
    for first in range(min(count, population)):
        width = population - first
        word = next(number for number in numbers if number < 2**64 - 2**64 % width)
        other = first + word % width
        cells[first], cells[other] = cells[other], cells[first]
    return cells[: min(count, population)]


def coefficients(seed: bytes, count: int) -> list[int]:
    data = stream("cess/podr2/coefficient/v1", seed, count)
    return [int.from_bytes(data[16 * i : 16 * i + 16], "little") for i in range(count)]


def point(seed: bytes) -> int:
    return int.from_bytes(blake(64, "cess/podr2/point/v1", seed), "little") % ORDER


def named(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def challenge(number: int, population: int, count: int) -> dict[str, Any]:
    round_: dict[str, Any] = {
        "genesis": named("genesis"),
        "block_number": 1000 + number,
        "randomness": named(f"randomness {number}"),
        "miner": named(f"miner {number}"),
        "round": number,
    }
    seed = seed_of(round_)
    drawn = positions(seed, population, count)
    return {
        **round_,
        "population": population,
        "count": count,
        "seed": seed.hex(),
        "positions": drawn,
        "coefficients": [f"{value:032x}" for value in coefficients(seed, min(len(drawn), 6))],
        "z": f"{point(seed):064x}",
    }


def row(label: str, size: int = ROW_BYTES) -> bytes:
    return hashlib.shake_256(label.encode()).digest(size).ljust(ROW_BYTES, b"\0")


def elements(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 31], "big") for i in range(0, ROW_BYTES, 31)]


def blob(values: list[int]) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in values)


def rounds() -> list[dict[str, Any]]:
    setup = ckzg.load_trusted_setup(str(files("eth_account").joinpath(SETUP)), 0)
    labels = [f"row {index}" for index in range(5)]
    tables = [elements(row(label)) for label in labels]
    points = [ckzg.blob_to_kzg_commitment(blob(table), setup) for table in tables]
    asked = challenge(77, len(labels), 3)
    seed = bytes.fromhex(asked["seed"])
    z = point(seed)
    weights = coefficients(seed, 3)
    chosen = asked["positions"]

    def opened(combined_from: list[int], at: int) -> tuple[bytes, bytes]:
        combined = [
            sum(w * tables[p][i] for w, p in zip(weights, combined_from, strict=True)) % ORDER
            for i in range(4096)
        ]
        proof, y = ckzg.compute_kzg_proof(blob(combined), at.to_bytes(32, "big"), setup)
        return y, proof

    good = opened(chosen, z)
    other_row = next(index for index in range(5) if index not in chosen)
    answers = {
        "honest": (*good, True),
        "another row in place of the last": (*opened([*chosen[:2], other_row], z), False),
        "rows in another order": (*opened(chosen[::-1], z), False),
        "another point": (*opened(chosen, (z + 1) % ORDER), False),
        "y plus one": (
            ((int.from_bytes(good[0], "big") + 1) % ORDER).to_bytes(32, "big"),
            good[1],
            False,
        ),
    }
    return [
        {
            "name": name,
            **asked,
            "rows": labels,
            "commitments": [value.hex() for value in points],
            "y": y.hex(),
            "proof": proof.hex(),
            "valid": valid,
        }
        for name, (y, proof, valid) in answers.items()
    ]


def main() -> None:
    cases = [
        challenge(1, 1, 1),
        challenge(2, 67, 47),
        challenge(3, 10_000, 460),
        challenge(4, 9, 460),
    ]
    (HERE / "challenge.json").write_text(json.dumps(cases, indent=1) + "\n")
    (HERE / "rounds.json").write_text(json.dumps(rounds(), indent=1) + "\n")


if __name__ == "__main__":
    main()
