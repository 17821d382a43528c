import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives.digest import (
    BABE_ENGINE,
    GRANDPA_ENGINE,
    AllowedSlots,
    AuthorityKey,
    BabeConsensusLog,
    BabeOnDisabled,
    BabePreDigest,
    Consensus,
    Digest,
    DigestItem,
    EngineId,
    GrandpaConsensusLog,
    GrandpaForcedChange,
    GrandpaOnDisabled,
    GrandpaPause,
    GrandpaResume,
    GrandpaScheduledChange,
    NextConfigData,
    NextConfigV1,
    NextEpochData,
    Other,
    PreRuntime,
    Primary,
    Randomness,
    RuntimeEnvironmentUpdated,
    ScheduledChange,
    Seal,
    SecondaryPlain,
    SecondaryVrf,
    VrfPreOutput,
    VrfProof,
    VrfSignature,
)
from primitives.errors import DecodeError
from primitives.scale import U32, U64, decode, encode
from primitives.scale.type_info import Registry, Variants
from primitives.types import BlockNumber

ENGINES = st.sampled_from([BABE_ENGINE, GRANDPA_ENGINE, EngineId(b"aura")])
DATA = st.binary(max_size=40)
ITEMS: st.SearchStrategy[DigestItem] = st.one_of(
    st.builds(Other, DATA),
    st.builds(Consensus, ENGINES, DATA),
    st.builds(Seal, ENGINES, DATA),
    st.builds(PreRuntime, ENGINES, DATA),
    st.just(RuntimeEnvironmentUpdated()),
)
DIGESTS = st.lists(ITEMS, max_size=5).map(lambda items: Digest(tuple(items)))
VRF = VrfSignature(VrfPreOutput(b"\1" * 32), VrfProof(b"\2" * 64))
KEY = AuthorityKey(b"\x11" * 32)
CHANGE = ScheduledChange(((KEY, U64(1)),), BlockNumber(0))


@given(DIGESTS)
def test_digests_come_back(digest: Digest) -> None:
    assert decode(Digest, encode(Digest, digest)) == digest


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (Other(b"\1"), "000401"),
        (Consensus(GRANDPA_ENGINE, b"\1"), "0446524e4b0401"),
        (Seal(BABE_ENGINE, b"\1"), "05424142450401"),
        (PreRuntime(BABE_ENGINE, b"\1"), "06424142450401"),
        (RuntimeEnvironmentUpdated(), "08"),
    ],
)
def test_items_are_substrates_bytes(item: DigestItem, expected: str) -> None:
    assert encode(DigestItem, item).hex() == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (SecondaryPlain(U32(2), U64(9)), "02020000000900000000000000"),
        (Primary(U32(2), U64(9), VRF), "01020000000900000000000000" + "01" * 32 + "02" * 64),
        (SecondaryVrf(U32(0), U64(9), VRF), "03000000000900000000000000" + "01" * 32 + "02" * 64),
    ],
)
def test_pre_digests_of_babe_are_substrates_bytes(message: BabePreDigest, expected: str) -> None:
    assert encode(BabePreDigest, message).hex() == expected
    assert message.claimed_slot == 9
    assert message.author == (0 if isinstance(message, SecondaryVrf) else 2)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            NextEpochData(((KEY, U64(1)),), Randomness(bytes(32))),
            "0104" + "11" * 32 + "0100000000000000" + "00" * 32,
        ),
        (BabeOnDisabled(U32(3)), "0203000000"),
        (
            NextConfigData(
                NextConfigV1((U64(1), U64(4)), AllowedSlots.PrimaryAndSecondaryPlainSlots)
            ),
            "03010100000000000000040000000000000001",
        ),
    ],
)
def test_messages_to_babe_are_substrates_bytes(message: BabeConsensusLog, expected: str) -> None:
    assert encode(BabeConsensusLog, message).hex() == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (GrandpaScheduledChange(CHANGE), "0104" + "11" * 32 + "010000000000000000000000"),
        (
            GrandpaForcedChange(BlockNumber(7), CHANGE),
            "020700000004" + "11" * 32 + "010000000000000000000000",
        ),
        (GrandpaOnDisabled(U64(1)), "030100000000000000"),
        (GrandpaPause(BlockNumber(1)), "0401000000"),
        (GrandpaResume(BlockNumber(1)), "0501000000"),
    ],
)
def test_messages_to_grandpa_are_substrates_bytes(
    message: GrandpaConsensusLog, expected: str
) -> None:
    assert encode(GrandpaConsensusLog, message).hex() == expected


@pytest.mark.parametrize("data", ["", "01", "0400", "0407", "0405424142", "080000", "08"])
def test_malformed_digests_are_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        decode(Digest, bytes.fromhex(data))


def test_messages_are_found_by_their_engine() -> None:
    digest = Digest(
        (
            PreRuntime(GRANDPA_ENGINE, b"other"),
            PreRuntime(BABE_ENGINE, b"pre"),
            Consensus(BABE_ENGINE, b"one"),
            Consensus(GRANDPA_ENGINE, b"not this"),
        )
    ).pushed(Consensus(BABE_ENGINE, b"two"))
    assert digest.pre_runtime(BABE_ENGINE) == b"pre"
    assert list(digest.consensus(BABE_ENGINE)) == [b"one", b"two"]
    assert Digest().pre_runtime(BABE_ENGINE) is None


def test_metadata_leaves_the_fields_of_items_unnamed() -> None:
    registry = Registry()
    number = registry.type_id(DigestItem)
    definition = registry.types()[number].definition
    assert isinstance(definition, Variants)
    assert [case.index for case in definition.variants] == [0, 4, 5, 6, 8]
    assert all(field.name is None for case in definition.variants for field in case.fields)
