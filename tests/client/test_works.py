"""Works: fingerprints of files, and the search that finds what a claim would find."""

from pathlib import Path
from typing import Any

import pytest

from client.works import (
    NoCertificate,
    claimed_fingerprints,
    fingerprint_file,
    search_works,
    show_certificate,
)
from pallets.mdrc import BandKey, Bucket, Certificate, CertificateState, Mdrc, UnitKind
from primitives.scale import U8, U16
from primitives.types import Balance, BlockNumber, FileHash, Hash
from proofs.fingerprint.similarity import bands

pytestmark = pytest.mark.anyio

TEXT = "".join(f"Sentence number {number} of a work that somebody wrote. " for number in range(400))


def work(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def certify(network: Any, path: Path, number: int) -> Hash:
    """Put a certificate and its bands into the state, as `Mdrc.claim` does."""
    fingerprints = claimed_fingerprints(fingerprint_file(path))
    name = Hash(bytes([number]) * 32)
    certificate = Certificate(
        owner=network.owner.account_id,
        fid=FileHash(bytes(32)),
        fingerprints=fingerprints,
        claimed_at=BlockNumber(number),
        state=CertificateState.Claimed,
        earlier=None,
        deposit=Balance(1),
    )
    network.chain.put(Mdrc.certificates, name, certificate)
    network.chain.put(Mdrc.instances, fingerprints.instance, name)
    for unit in fingerprints.units:
        for band, value in enumerate(bands(unit.code)):
            key = BandKey(kind=unit.kind, band=U8(band), value=U16(value))
            network.chain.put(Mdrc.bands, key, Bucket((name,)))
    return name


async def test_the_exact_work_and_an_edited_one_are_found(network: Any, tmp_path: Path) -> None:
    original = work(tmp_path / "original", TEXT)
    name = certify(network, original, 1)
    exact = await search_works(network.chain, fingerprint_file(original))
    assert exact.exact == name
    edited = work(tmp_path / "edited", TEXT.replace("number 7 ", "number seven "))
    found = await search_works(network.chain, fingerprint_file(edited))
    assert found.exact is None
    assert [item.number for item in found.near] == [name]
    assert found.near[0].distance <= 24


async def test_another_work_is_not_found(network: Any, tmp_path: Path) -> None:
    certify(network, work(tmp_path / "original", TEXT), 1)
    other = work(tmp_path / "other", "Quite another tale, told by other people. " * 300)
    assert (await search_works(network.chain, fingerprint_file(other))).near == ()


async def test_a_certificate_is_shown_and_an_unknown_one_named(
    network: Any, tmp_path: Path
) -> None:
    name = certify(network, work(tmp_path / "original", TEXT), 3)
    shown = await show_certificate(network.chain, name)
    assert (shown["state"], shown["claimed_at"]) == ("claimed", 3)
    assert set(shown["units"]) == {"content", "data"}
    with pytest.raises(NoCertificate):
        await show_certificate(network.chain, Hash(bytes(32)))


def test_bytes_that_are_no_text_have_no_content_code(tmp_path: Path) -> None:
    path = tmp_path / "noise"
    path.write_bytes(bytes(range(256)) * 100)
    kinds = [unit.kind for unit in claimed_fingerprints(fingerprint_file(path)).units]
    assert kinds == [UnitKind.Data]
