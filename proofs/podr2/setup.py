"""The public parameters: the Ethereum KZG ceremony's 4096-point set.

`trusted_setup.txt` holds 4096 G1 points in Lagrange form, 65 powers of tau in G2 and 4096 powers in
G1, one hex line each, as `ckzg` reads it. It was copied from the `eth-account` 0.13.7 wheel
(`eth_account/typed_transactions/blob_transactions/kzg_trusted_setup.txt`), which has it from
ethereum/c-kzg-4844 (`src/trusted_setup.txt`), the outcome of the ceremony of 2023. A test compares
the copies. Forging needs tau, which nobody has unless every contributor of the ceremony colluded.

The prover's form takes 2 to 3 s to load and stays in the process; it is loaded on first use, once.
The verifier needs one G2 point of the file and never imports `ckzg`.
"""

import hashlib
from functools import cache
from pathlib import Path

from primitives.errors import StorageCorrupt

SETUP_PATH = Path(__file__).with_name("trusted_setup.txt")
SETUP_SHA256 = "d39b9f2d047cc9dca2de58f264b6a09448ccd34db967881a6713eacacf0f26b7"
G1_POINTS = 4096
G2_POINTS = 65
LAGRANGE_LINE = 2
# Two count lines, the Lagrange points, then the G2 powers of which the first is the generator.
TAU_G2_LINE = 2 + G1_POINTS + 1


def setup_lines(path: Path = SETUP_PATH) -> list[str]:
    """The lines of the setup file, after its hash was checked.

    Raises: StorageCorrupt when the file is not the one this program was written for.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StorageCorrupt(f"the KZG setup {path} cannot be read: {error}") from error
    if hashlib.sha256(data).hexdigest() != SETUP_SHA256:
        raise StorageCorrupt(f"the KZG setup {path} is damaged or another; reinstall the package")
    return data.decode("ascii").split()


def lagrange_bytes() -> list[bytes]:
    """[L_i(τ)]₁, compressed, in the order of a row's elements: bit-reversed, as EIP-4844 has it."""
    lines = setup_lines()[LAGRANGE_LINE : LAGRANGE_LINE + G1_POINTS]
    bits = G1_POINTS.bit_length() - 1
    return [bytes.fromhex(lines[int(f"{index:0{bits}b}"[::-1], 2)]) for index in range(G1_POINTS)]


@cache
def tau_g2_bytes() -> bytes:
    """The compressed point [τ]₂, which the pairing check needs."""
    return bytes.fromhex(setup_lines()[TAU_G2_LINE])


@cache
def prover_setup() -> object:
    """`ckzg`'s form of the setup: opaque, read only, 2 to 3 s of CPU the first time.

    Loaded without `ckzg`'s precomputation: it serves proofs of cells, takes up to 100 MB and makes
    commitments and openings no faster (measured).

    Raises: StorageCorrupt as `setup_lines`.
    """
    import ckzg

    setup_lines()
    setup: object = ckzg.load_trusted_setup(str(SETUP_PATH), 0)
    return setup
