"""Certificates of ownership: who was first to claim a work, and which works are near to it.

A certificate binds an owner, a stored file and the fingerprints of its plain bytes. The first claim
of an instance hash wins. Near works are found through an index of bands: codes of 256 bits are cut
into 16 bands of 16 bits, works that share a band are candidates, and candidates are compared by
their exact Hamming distance. A near work of another owner does not prevent the certificate: it is
issued as ``Contested``, because being first is evidence and no more.

The fingerprints are the claimant's word: the chain never sees the plain bytes. Whoever can read the
file computes them again and compares.

Invariants: every certificate is found under its instance, owner and file; ``deposit`` planck are
reserved on its owner for each.

Bounds: ``BUCKET_MAX`` certificates in a band (the oldest stay), ``CANDIDATES_MAX`` comparisons and
``SIMILAR_MAX`` reports for a claim.

Ports needed: ``files`` (FileBank), ``currency`` (Balances).
"""

from collections.abc import Iterator
from typing import Annotated, Protocol

from pallets.frame import (
    Blake2_128Concat,
    Doc,
    Origin,
    Pallet,
    PalletConfig,
    PalletError,
    StorageDoubleMap,
    StorageMap,
    Weight,
    call,
    ensure,
    ensure_signed,
    event,
)
from pallets.mdrc.types import (
    BUCKET_MAX,
    BandKey,
    Bucket,
    Certificate,
    CertificateState,
    Fingerprints,
    Unit,
    UnitKind,
)
from primitives.hashing import blake2_256
from primitives.scale import U8, U16
from primitives.types import AccountId, Balance, FileHash, Hash
from proofs.fingerprint.similarity import BAND_COUNT, bands, hamming

__all__ = ["Currency", "Files", "Mdrc"]

CANDIDATES_MAX = 256
"""Earlier certificates that one claim is compared with."""

SIMILAR_MAX = 8
"""Near works that one claim reports, the nearest first."""

INDEXED_KINDS = (UnitKind.Content, UnitKind.Data)
"""A like title does not make a like work, so ``Meta`` codes are kept and not searched."""

CERTIFICATE_TAG = b"cess/certificate/v1"

BUCKETS = len(INDEXED_KINDS) * BAND_COUNT
CLAIM = Weight(ref_time=3_000_000_000, reads=8 + BUCKETS + CANDIDATES_MAX, writes=6 + BUCKETS)


class Files(Protocol):
    """FileBank: who owns what."""

    def is_owner(self, file_hash: FileHash, who: AccountId) -> bool:
        """Whether ``who`` owns an active file."""
        ...


class Currency(Protocol):
    """Balances: deposits are reserved."""

    def reserve(self, who: AccountId, amount: Balance) -> None:
        """Set ``amount`` aside or raise."""
        ...


class Mdrc(Pallet):
    """Multi-format data rights confirmation: certificates and the index of near works."""

    class Config(PalletConfig):
        """Constants of the chain, and the neighbours."""

        deposit: Annotated[Balance, Doc("Reserved for each certificate, in planck.")]
        distance_max: Annotated[U16, Doc("Codes that differ in at most so many bits are near.")]
        files: Files
        currency: Currency

    config: Config

    # Users choose files, accounts and fingerprints, so every key gets the resistant hasher.
    certificates = StorageMap(
        Hash, Certificate, hasher=Blake2_128Concat, doc="Certificates by their number."
    )
    instances = StorageMap(
        Hash, Hash, hasher=Blake2_128Concat, doc="The certificate of an exact work."
    )
    owner_certificates = StorageDoubleMap(
        AccountId,
        Hash,
        bool,
        hashers=(Blake2_128Concat, Blake2_128Concat),
        doc="Certificates by owner.",
    )
    file_certificates = StorageDoubleMap(
        FileHash,
        AccountId,
        Hash,
        hashers=(Blake2_128Concat, Blake2_128Concat),
        doc="The certificate that an owner claimed with a file.",
    )
    bands = StorageMap(
        BandKey,
        Bucket,
        hasher=Blake2_128Concat,
        default=Bucket(),
        doc="Certificates with the same sixteen bits in the same place.",
    )

    @event(index=0)
    class Claimed:
        """``owner`` is certified as the first claimant of the work in file ``fid``."""

        certificate: Hash
        owner: AccountId
        fid: FileHash

    @event(index=1)
    class SimilarWorkFound:
        """The work of ``certificate`` is near to an ``earlier`` one: ``distance`` bits differ."""

        certificate: Hash
        earlier: Hash
        kind: UnitKind
        distance: U16

    class NotOwner(PalletError, index=0):
        """You do not own an active file with this fid; store the work first."""

    class AlreadyClaimed(PalletError, index=1):
        """Exactly this work has a certificate already; look it up with `Mdrc.Instances`."""

    class FileClaimed(PalletError, index=2):
        """You claimed another work with this file already."""

    class DuplicateUnit(PalletError, index=3):
        """There is more than one code of a kind."""

    class MissingUnit(PalletError, index=4):
        """The `Data` code is missing; every work has one."""

    @call(index=0, weight=CLAIM)
    def claim(self, origin: Origin, fid: FileHash, fingerprints: Fingerprints) -> None:
        """Certify that the caller is the first to claim the work that is stored in ``fid``.

        *Origin*: signed by an owner of the file. *Errors*: NotOwner, DuplicateUnit, MissingUnit,
        AlreadyClaimed, FileClaimed. *Events*: Claimed, SimilarWorkFound.
        """
        who = ensure_signed(origin)
        ensure(self.config.files.is_owner(fid, who), self.NotOwner)
        kinds = [unit.kind for unit in fingerprints.units]
        ensure(len(set(kinds)) == len(kinds), self.DuplicateUnit)
        ensure(UnitKind.Data in kinds, self.MissingUnit)
        ensure(fingerprints.instance not in self.instances, self.AlreadyClaimed)
        ensure((fid, who) not in self.file_certificates, self.FileClaimed)

        self.config.currency.reserve(who, self.config.deposit)
        number = Hash(blake2_256(CERTIFICATE_TAG + self.genesis_hash() + fingerprints.instance))
        near = self._near_works(fingerprints)
        is_contested = any(self.certificates[item.number].owner != who for item in near)
        self.certificates[number] = Certificate(
            owner=who,
            fid=fid,
            fingerprints=fingerprints,
            claimed_at=self.now(),
            state=CertificateState.Contested if is_contested else CertificateState.Claimed,
            earlier=near[0].number if near else None,
            deposit=self.config.deposit,
        )
        self.instances[fingerprints.instance] = number
        self.owner_certificates[who, number] = True
        self.file_certificates[fid, who] = number
        self._index(number, fingerprints)
        self.deposit_event(self.Claimed(certificate=number, owner=who, fid=fid))
        for item in near[:SIMILAR_MAX]:
            self.deposit_event(
                self.SimilarWorkFound(
                    certificate=number,
                    earlier=item.number,
                    kind=item.kind,
                    distance=U16(item.distance),
                )
            )

    # Private.

    def _near_works(self, fingerprints: Fingerprints) -> list["NearWork"]:
        """Earlier certificates within ``distance_max``, the nearest first, then the oldest."""
        found: list[tuple[int, int, bytes, NearWork]] = []
        for number in self._candidates(fingerprints):
            certificate = self.certificates[number]
            work = _nearest(number, fingerprints, certificate.fingerprints)
            if work is not None and work.distance <= self.config.distance_max:
                found.append((work.distance, int(certificate.claimed_at), bytes(number), work))
        return [item[-1] for item in sorted(found, key=lambda item: item[:3])]

    def _candidates(self, fingerprints: Fingerprints) -> list[Hash]:
        """Certificates that share a band, each once, in the order of bands and age."""
        candidates: dict[Hash, None] = {}
        for key in _band_keys(fingerprints):
            for number in self.bands.get(key):
                if len(candidates) >= CANDIDATES_MAX:
                    return list(candidates)
                candidates[number] = None
        return list(candidates)

    def _index(self, number: Hash, fingerprints: Fingerprints) -> None:
        """List the certificate under its bands. A full bucket keeps the oldest: they came first."""
        for key in _band_keys(fingerprints):
            bucket = self.bands.get(key)
            if len(bucket) < BUCKET_MAX:
                self.bands[key] = Bucket((*bucket, number))


class NearWork:
    """An earlier certificate and its least distance in one kind of code."""

    __slots__ = ("distance", "kind", "number")

    def __init__(self, number: Hash, kind: UnitKind, distance: int) -> None:
        self.number = number
        self.kind = kind
        self.distance = distance


def _indexed(fingerprints: Fingerprints) -> Iterator[Unit]:
    return (unit for unit in fingerprints.units if unit.kind in INDEXED_KINDS)


def _band_keys(fingerprints: Fingerprints) -> Iterator[BandKey]:
    for unit in _indexed(fingerprints):
        for band, value in enumerate(bands(unit.code)):
            yield BandKey(kind=unit.kind, band=U8(band), value=U16(value))


def _nearest(number: Hash, left: Fingerprints, right: Fingerprints) -> NearWork | None:
    """The kind in which two works are nearest; None when they have no kind in common."""
    codes = {unit.kind: unit.code for unit in _indexed(right)}
    works = [
        NearWork(number, unit.kind, hamming(unit.code, codes[unit.kind]))
        for unit in _indexed(left)
        if unit.kind in codes
    ]
    return min(works, key=lambda work: work.distance, default=None)
