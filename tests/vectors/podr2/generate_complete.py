"""Writes complete.json beside this file: whole rounds, from what a miner holds to the verdict.

None of the project's code, of `ckzg` or of arkworks takes part: challenges come from `generate.py`
(`hashlib`), points and pairings from `py_ecc`, the setup from eth-account. Rows hold a line
a + b·X, so that a commitment is a·G + b·[tau]. Run by hand:
`python tests/vectors/podr2/generate_complete.py`. Takes about a minute.
"""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from generate import ORDER, SETUP, coefficients, named, point, positions, seed_of
from py_ecc.bls.point_compression import compress_G1, decompress_G1, decompress_G2
from py_ecc.optimized_bls12_381 import (
    FQ12,
    G1,
    G2,
    Z1,
    add,
    field_modulus,
    is_inf,
    multiply,
    neg,
    normalize,
    pairing,
)

HERE = Path(__file__).parent
ROWS, SAMPLED = 3, 6
G1_LINES, G2_LINES = 4096, 65
INFINITY = 0xC0 << 376


def setup() -> tuple[Any, Any]:
    """[tau] in both groups."""
    lines = files("eth_account").joinpath(SETUP).read_text().split()
    tau_1 = decompress_G1(int(lines[2 + G1_LINES + G2_LINES + 1], 16))
    raw = bytes.fromhex(lines[2 + G1_LINES + 1])
    tau_2 = decompress_G2((int.from_bytes(raw[:48], "big"), int.from_bytes(raw[48:], "big")))
    return tau_1, tau_2


TAU_1, TAU_2 = setup()


def compressed(p: Any) -> bytes:
    return (INFINITY if is_inf(p) else int(compress_G1(p))).to_bytes(48, "big")


def kept(p: Any) -> bytes:
    """Both coordinates, 48 bytes each; infinity is all zeros."""
    if is_inf(p):
        return bytes(96)
    x, y = normalize(p)
    return int(x.n).to_bytes(48, "big") + int(y.n).to_bytes(48, "big")


def committed(a: int, b: int) -> Any:
    return add(multiply(G1, a) if a else Z1, multiply(TAU_1, b) if b else Z1)


def row(name: str) -> dict[str, Any]:
    if name == "zeros":
        a = b = 0
    else:
        a, b = (int(named(f"{name}/{part}"), 16) % ORDER for part in "ab")
    p = committed(a, b)
    return {
        "a": f"{a:064x}",
        "b": f"{b:064x}",
        "commitment": compressed(p).hex(),
        "kept": kept(p).hex(),
    }


def holding(number: int, since: int, removed: int | None, *names: str) -> dict[str, Any]:
    return {
        "since": since,
        "removed": removed,
        "rows": [row(name) for name in names or [f"{number}/{index}" for index in range(ROWS)]],
    }


HOLDINGS = {
    "plain": [holding(n, 5, None) for n in range(4)],
    "with a row of zeros and equal rows": [
        holding(0, 5, None, "zeros", "twice", "twice"),
        holding(1, 5, None),
    ],
    "removed before, removed after, too new": [
        holding(0, 5, None),
        holding(1, 5, 999),
        holding(2, 5, 1000),
        holding(3, 1001, None),
    ],
    "all removed before": [holding(0, 5, 20), holding(1, 5, 999)],
}


def question(kind: str, number: int) -> dict[str, Any]:
    holdings = HOLDINGS[kind]
    asked: dict[str, Any] = {
        "genesis": named("genesis"),
        "block_number": 1000,
        "randomness": named(f"complete {number}"),
        "miner": named("complete miner"),
        "round": number,
    }
    seed = seed_of(asked)
    drawn = positions(seed, len(holdings) * ROWS, SAMPLED)
    counts = []
    for index, position in enumerate(drawn):
        item = holdings[position // ROWS]
        if item["since"] <= 1000 and (item["removed"] is None or item["removed"] >= 1000):
            counts.append(index)
    return {
        **asked,
        "rows_in_a_fragment": ROWS,
        "sampled": SAMPLED,
        "holdings": holdings,
        "seed": seed.hex(),
        "positions": drawn,
        "counts": counts,
        "coefficients": [f"{value:032x}" for value in coefficients(seed, len(drawn))],
        "z": f"{point(seed):064x}",
    }


def line_at(asked: dict[str, Any], index: int) -> tuple[int, int]:
    slot, number = divmod(asked["positions"][index], ROWS)
    item = asked["holdings"][slot]["rows"][number]
    return int(item["a"], 16), int(item["b"], 16)


def opened(asked: dict[str, Any], indexes: list[int]) -> tuple[int, Any]:
    """y and the quotient over the sampled rows at ``indexes``."""
    z = int(asked["z"], 16)
    total_a = total_b = 0
    for index in indexes:
        a, b = line_at(asked, index)
        weight = int(asked["coefficients"][index], 16)
        total_a, total_b = total_a + weight * a, total_b + weight * b
    return (total_a + total_b * z) % ORDER, multiply(G1, total_b % ORDER) if total_b else Z1


def is_true(asked: dict[str, Any], faulty: list[int], y: int, quotient: Any) -> bool:
    """e(sum - y·G + z·quotient, [1]) = e(quotient, [tau]), by another library's pairing."""
    left = Z1
    for index in asked["counts"]:
        if index not in faulty:
            a, b = line_at(asked, index)
            left = add(left, multiply(committed(a, b), int(asked["coefficients"][index], 16)))
    left = add(left, neg(multiply(G1, y)))
    left = add(left, multiply(quotient, int(asked["z"], 16)))
    product = FQ12.one()
    for first, second in ((left, G2), (neg(quotient), TAU_2)):
        if not is_inf(first):
            product *= pairing(second, first, final_exponentiate=False)
    return bool(product ** ((field_modulus**12 - 1) // ORDER) == FQ12.one())


def case(
    name: str,
    asked: dict[str, Any],
    answer: tuple[int, Any],
    faulty: list[int],
    wanted: bool,
) -> dict[str, Any]:
    y, quotient = answer
    verdict = is_true(asked, faulty, y, quotient)
    assert verdict == wanted, name
    return raw_case(name, asked, y.to_bytes(32, "big"), compressed(quotient), faulty, wanted)


def raw_case(
    name: str, asked: dict[str, Any], y: bytes, proof: bytes, faulty: list[int], valid: bool
) -> dict[str, Any]:
    return {
        "name": name,
        **asked,
        "faulty": faulty,
        "y": y.hex(),
        "proof": proof.hex(),
        "valid": valid,
    }


def off_the_curve() -> bytes:
    x = next(x for x in range(1, 99) if pow(x**3 + 4, (field_modulus - 1) // 2, field_modulus) > 1)
    return ((1 << 383) + x).to_bytes(48, "big")


def outside_the_subgroup() -> bytes:
    x = next(x for x in range(1, 99) if pow(x**3 + 4, (field_modulus - 1) // 2, field_modulus) == 1)
    return ((1 << 383) + x).to_bytes(48, "big")


def main() -> None:
    plain, odd = question("plain", 1), question("with a row of zeros and equal rows", 2)
    aged = question("removed before, removed after, too new", 3)
    nothing = question("all removed before", 4)
    everything = list(range(SAMPLED))
    honest = opened(plain, everything)
    y, proof = honest[0].to_bytes(32, "big"), compressed(honest[1])
    some = [index for index in everything if index not in (1, 4)]
    junk = (5, multiply(G1, 9))
    cases = [
        case("honest", plain, honest, [], True),
        case("two rows declared lost", plain, opened(plain, some), [1, 4], True),
        case("declared lost and proved all the same", plain, honest, [1, 4], False),
        case("left out and not declared", plain, opened(plain, some), [], False),
        case("rows of zeros and equal rows", odd, opened(odd, odd["counts"]), [], True),
        case("removed rows left out, kept ones in", aged, opened(aged, aged["counts"]), [], True),
        case("all sampled rows, removed ones too", aged, opened(aged, everything), [], False),
        raw_case("nothing counts, nothing is looked at", nothing, bytes(32), bytes(48), [], True),
        raw_case("all declared lost", plain, bytes(32), bytes(48), everything, True),
        case("the answer of another round", odd, honest, [], False),
        case("made up", plain, junk, [], False),
        raw_case("y not reduced", plain, (honest[0] + ORDER).to_bytes(32, "big"), proof, [], False),
        raw_case("proof off the curve", plain, y, off_the_curve(), [], False),
        raw_case("proof outside the subgroup", plain, y, outside_the_subgroup(), [], False),
        raw_case("infinity with an x", plain, y, b"\xc0" + bytes(46) + b"\1", [], False),
        raw_case("infinity", plain, y, b"\xc0" + bytes(47), [], False),
    ]
    (HERE / "complete.json").write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
