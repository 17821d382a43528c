"""Works and their certificates: fingerprints, claims, and the search for near works.

The fingerprints are computed here, on the owner's machine, from the plain bytes. The search reads
the same index of bands that the chain uses for a claim, so both find the same works.

Bounds: ``CANDIDATES_MAX`` certificates are compared in a search.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.chain import ChainClient, Receipt
from pallets.mdrc import BandKey, Certificate, Code, Mdrc, Unit, UnitKind, Units
from pallets.mdrc import Fingerprints as ClaimedFingerprints
from primitives.crypto.keys import KeyPair
from primitives.crypto.ss58 import ss58_encode
from primitives.errors import CessError
from primitives.scale import U8, U16
from primitives.types import FileHash, Hash
from proofs.fingerprint.similarity import bands, hamming
from proofs.fingerprint.units import Fingerprints, fingerprint

__all__ = [
    "NearWork",
    "NoCertificate",
    "Search",
    "certificate_document",
    "claim_work",
    "claimed_fingerprints",
    "fingerprint_file",
    "search_works",
    "show_certificate",
]

CANDIDATES_MAX = 1024


@dataclass(frozen=True, slots=True)
class NearWork:
    """A certificate whose codes are near to those of a work."""

    number: Hash
    certificate: Certificate
    kind: UnitKind
    distance: int


@dataclass(frozen=True, slots=True)
class Search:
    """The certificate of exactly this work, if any, and the near ones, the nearest first."""

    exact: Hash | None
    near: tuple[NearWork, ...]


class NoCertificate(CessError):
    """The chain has no such certificate."""


def fingerprint_file(path: Path) -> Fingerprints:
    """The codes of a file's plain bytes. Blocks: use a worker thread."""
    with path.open("rb") as source:
        return fingerprint(source)


def claimed_fingerprints(found: Fingerprints) -> ClaimedFingerprints:
    """The codes as a claim carries them."""
    units = [Unit(kind=UnitKind.Data, code=Code(found.data))]
    if found.content is not None:
        units.insert(0, Unit(kind=UnitKind.Content, code=Code(found.content)))
    return ClaimedFingerprints(instance=Hash(found.instance), units=Units(units))


async def claim_work(
    chain: ChainClient, found: Fingerprints, fid: FileHash, signer: KeyPair
) -> Receipt:
    """Claim the work that is stored in ``fid``. Raises: CallFailed, as `Mdrc.claim` says."""
    call = chain.call(Mdrc.claim, fid=fid, fingerprints=claimed_fingerprints(found))
    return await chain.submit(call, signer)


async def search_works(chain: ChainClient, found: Fingerprints) -> Search:
    """Certificates of this work and of near ones, in the state of one block."""
    at = await chain.best_head()
    claimed = claimed_fingerprints(found)
    keys = [
        BandKey(kind=unit.kind, band=U8(band), value=U16(value))
        for unit in claimed.units
        for band, value in enumerate(bands(unit.code))
    ]
    buckets = await chain.read_many(Mdrc.bands, keys, at=at)
    numbers = list(dict.fromkeys(number for bucket in buckets for number in bucket))
    numbers = numbers[:CANDIDATES_MAX]
    certificates = await chain.read_many(Mdrc.certificates, numbers, at=at)
    limit = int(await chain.constant("Mdrc", "DistanceMax"))
    near = [
        work
        for number, certificate in zip(numbers, certificates, strict=True)
        if certificate is not None
        and (work := _nearest(number, certificate, claimed.units)) is not None
        and work.distance <= limit
    ]
    near.sort(key=lambda work: (work.distance, int(work.certificate.claimed_at)))
    exact = await chain.read(Mdrc.instances, claimed.instance, at=at)
    return Search(exact=exact, near=tuple(near))


async def show_certificate(chain: ChainClient, number: Hash) -> dict[str, Any]:
    """A certificate as a document. Raises: NoCertificate."""
    found = await chain.read(Mdrc.certificates, number)
    if found is None:
        raise NoCertificate(f"there is no certificate 0x{number.hex()}; see `cess mdrc search`")
    return certificate_document(number, found)


def certificate_document(number: Hash, found: Certificate) -> dict[str, Any]:
    """A certificate for people."""
    return {
        "certificate": f"0x{number.hex()}",
        "owner": ss58_encode(found.owner),
        "fid": f"0x{found.fid.hex()}",
        "instance": f"0x{found.fingerprints.instance.hex()}",
        "units": {
            unit.kind.name.lower(): f"0x{unit.code.hex()}" for unit in found.fingerprints.units
        },
        "claimed_at": int(found.claimed_at),
        "state": found.state.name.lower(),
        "earlier": None if found.earlier is None else f"0x{found.earlier.hex()}",
        "deposit": str(int(found.deposit)),
    }


def _nearest(number: Hash, certificate: Certificate, units: Sequence[Unit]) -> NearWork | None:
    codes = {unit.kind: unit.code for unit in certificate.fingerprints.units}
    works = [
        NearWork(number, certificate, unit.kind, hamming(unit.code, codes[unit.kind]))
        for unit in units
        if unit.kind in codes
    ]
    return min(works, key=lambda work: work.distance, default=None)
