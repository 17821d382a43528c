"""The pallet's runtime API over a state in memory."""

from typing import Any

import pytest

from node.runtime import CessRuntime, apis, runtime_at
from pallets.mdrc import api
from pallets.mdrc.types import Certificate, CertificateState, Fingerprints, Units
from primitives.scale import U32, decode, encode
from primitives.types import Balance, BlockNumber, FileHash, Hash
from tests.node.runtime.chain import genesis_state, pair

ALICE = pair("Alice").account_id
FILE, WORK = FileHash(b"f" * 32), Hash(b"w" * 32)


def ask(runtime: CessRuntime, method: str, output: Any, *params: bytes) -> Any:
    return decode(output, apis(runtime).call(method, b"".join(params)))


def test_a_certificate_is_found_in_every_way() -> None:
    runtime = runtime_at(genesis_state())
    number = Hash(b"n" * 32)
    certificate = Certificate(
        owner=ALICE,
        fid=FILE,
        fingerprints=Fingerprints(instance=WORK, units=Units()),
        claimed_at=BlockNumber(4),
        state=CertificateState.Claimed,
        earlier=None,
        deposit=Balance(1),
    )
    runtime.mdrc.certificates[number] = certificate
    runtime.mdrc.instances[WORK] = number
    runtime.mdrc.file_certificates[FILE, ALICE] = number
    runtime.mdrc.owner_certificates[ALICE, number] = True
    found = ask(runtime, "CertificatesApi_certificate", Certificate | None, number)
    assert found == certificate
    assert ask(runtime, "CertificatesApi_of_work", Hash | None, WORK) == number
    assert ask(runtime, "CertificatesApi_of_file", Hash | None, FILE, ALICE) == number
    limit = encode(U32, U32(10))
    assert ask(runtime, "CertificatesApi_owned", tuple[Hash, ...], ALICE, limit) == (number,)
    assert ask(runtime, "CertificatesApi_of_work", Hash | None, number) is None


def test_a_list_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "LISTED_MAX", 2)
    runtime = runtime_at(genesis_state())
    for index in range(3):
        runtime.mdrc.owner_certificates[ALICE, Hash(bytes([index]) * 32)] = True
    for asked, given in ((1, 1), (2, 2), (3, 2), ((1 << 32) - 1, 2)):
        limit = encode(U32, U32(asked))
        assert len(ask(runtime, "CertificatesApi_owned", tuple[Hash, ...], ALICE, limit)) == given
