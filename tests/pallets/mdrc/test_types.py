"""Wire forms of certificates, and their limits."""

import pytest

from pallets.mdrc.types import (
    BandKey,
    Bucket,
    Certificate,
    CertificateState,
    Code,
    Fingerprints,
    Unit,
    UnitKind,
    Units,
)
from primitives.scale import U8, U16, codec
from primitives.types import AccountId, Balance, BlockNumber, FileHash, Hash

UNIT = Unit(kind=UnitKind.Data, code=Code(bytes(32)))


@pytest.mark.parametrize(
    ("kind", "element", "limit"), [(Units, UNIT, 4), (Bucket, Hash(bytes(32)), 64)]
)
def test_limits_of_containers(kind, element, limit):
    assert len(kind([element] * limit)) == limit
    with pytest.raises(ValueError, match=str(limit)):
        kind([element] * (limit + 1))


def test_numbers_are_on_the_wire():
    assert {kind.name: kind.value for kind in UnitKind} == {"Meta": 0, "Content": 1, "Data": 2}
    assert {state.name: state.value for state in CertificateState} == {
        "Claimed": 0,
        "Contested": 1,
    }


@pytest.mark.parametrize("earlier", [None, Hash(bytes(32))])
def test_what_is_written_is_read_back(earlier):
    values = [
        BandKey(kind=UnitKind.Content, band=U8(15), value=U16(65535)),
        Certificate(
            owner=AccountId(bytes(32)),
            fid=FileHash(bytes(32)),
            fingerprints=Fingerprints(instance=Hash(bytes(32)), units=Units([UNIT])),
            claimed_at=BlockNumber(7),
            state=CertificateState.Contested,
            earlier=earlier,
            deposit=Balance(5),
        ),
    ]
    for value in values:
        form = codec(type(value))
        assert form.decode(form.encode(value)) == value


def test_a_band_key_has_four_bytes():
    assert len(codec(BandKey).encode(BandKey(kind=UnitKind.Data, band=U8(0), value=U16(0)))) == 4
