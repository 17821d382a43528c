"""Messages are Substrate's and smoldot's byte for byte, and anything else is refused quickly."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.network import wire
from node.network.protobuf import bytes_field, repeated_field, uint_field
from node.network.protocols import protocol_name, protocol_names
from node.network.transport import Channel, RequestKind, Roles
from node.network.wire import (
    BlockAnnounce,
    BlockAnnouncesHandshake,
    BlockData,
    BlockFields,
    BlockRequest,
    BlockResponse,
    Direction,
    KeyValueState,
    LightResponse,
    RemoteCall,
    RemoteRead,
    RemoteReadChild,
    StateRequest,
    StateResponse,
    WarpProof,
)
from primitives.digest import Digest, Other
from primitives.errors import DecodeError
from primitives.header import LOGS_MAX, Header
from primitives.justification import Commit, GrandpaJustification
from primitives.scale import U64
from primitives.types import BlockNumber, Hash

A, B, C = (Hash(bytes((n,)) * 32) for n in (0xAA, 0xBB, 0xCC))
HEADER = Header(
    parent_hash=A,
    number=BlockNumber(7),
    state_root=B,
    extrinsics_root=C,
    digest=Digest(()),
)
JUSTIFICATION = GrandpaJustification(
    round=U64(3),
    commit=Commit(target_hash=A, target_number=BlockNumber(7), precommits=()),
    votes_ancestries=(HEADER,),
)

DECODERS: dict[str, Callable[[bytes], Any]] = {
    "handshake": BlockAnnouncesHandshake.decode,
    "announce": BlockAnnounce.decode,
    "roles": wire.decode_roles,
    "transactions": wire.decode_transactions,
    "block request": BlockRequest.decode,
    "block response": BlockResponse.decode,
    "state request": StateRequest.decode,
    "state response": StateResponse.decode,
    "light request": wire.decode_light_request,
    "light response": LightResponse.decode,
    "warp request": wire.decode_warp_request,
    "warp proof": WarpProof.decode,
}

MESSAGES: dict[str, list[Any]] = {
    "handshake": [
        BlockAnnouncesHandshake(role, number, A, B)
        for role in (Roles.FULL, Roles.LIGHT, Roles.AUTHORITY)
        for number in (0, 2**32 - 1)
    ],
    "announce": [BlockAnnounce(HEADER, True), BlockAnnounce(HEADER, False, b"more")],
    "block request": [
        BlockRequest(BlockFields.HEADER, A, Direction.ASCENDING, 1, False),
        BlockRequest(BlockFields(0x13), 2**32 - 1, Direction.DESCENDING, 0),
    ],
    "block response": [
        BlockResponse(()),
        BlockResponse(
            (
                BlockData(A, HEADER.encode(), (b"\x04x", b""), ((b"FRNK", b"proof"),)),
                BlockData(B),
            )
        ),
    ],
    "state request": [StateRequest(A), StateRequest(A, (b"", b"key"), True)],
    "state response": [
        StateResponse((), b"proof"),
        StateResponse((KeyValueState(b"", ((b"k", b""), (b"", b"v")), True),)),
        StateResponse((KeyValueState(A, (), False),)),
    ],
    "light request": [
        RemoteCall(A, "Core_version", b""),
        RemoteCall(A, "BabeApi_configuration", b"x"),
        RemoteRead(A, (b":code", b"")),
        RemoteReadChild(A, b"child", (b"k",)),
    ],
    "light response": [
        LightResponse((b"node", b""), is_call=True),
        LightResponse(()),
        LightResponse(None, is_call=True),
        LightResponse(None),
    ],
    "warp proof": [WarpProof(), WarpProof(((HEADER, JUSTIFICATION),), False)],
}


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_what_is_encoded_decodes_to_the_same(name: str) -> None:
    for message in MESSAGES[name]:
        assert DECODERS[name](message.encode()) == message


def test_a_greeting_is_69_bytes_of_role_number_hash_and_genesis() -> None:
    data = BlockAnnouncesHandshake(Roles.AUTHORITY, 258, A, B).encode()
    assert data == b"\x04" + b"\x02\x01\0\0" + bytes(A) + bytes(B)


def test_an_authority_that_is_full_says_one_role() -> None:
    assert wire.encode_roles(Roles.FULL | Roles.AUTHORITY) == b"\x04"
    assert wire.encode_roles(Roles.LIGHT) == b"\x02"
    assert wire.decode_roles(b"\x02") is Roles.LIGHT


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x03", b"\x05", b"\xff", b"\x01\x01"])
def test_other_roles_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        wire.decode_roles(data)


def test_smoldots_question_for_headers_is_understood() -> None:
    data = bytes.fromhex("0880808088011220" + "aa" * 32 + "2801303f3801")
    wanted = BlockRequest(
        BlockFields.HEADER | BlockFields.JUSTIFICATION, A, Direction.DESCENDING, 63, True
    )
    assert BlockRequest.decode(data) == wanted
    assert wanted.encode() == data


def test_a_question_by_number_is_four_or_eight_bytes() -> None:
    for size in (4, 8):
        data = bytes.fromhex("0880808008") + bytes_field(3, (9).to_bytes(size, "little"))
        assert BlockRequest.decode(data).start == 9


def test_smoldots_questions_for_proofs_are_understood() -> None:
    inner = bytes.fromhex("1220" + "bb" * 32) + b"\x1a\x05:code" + b"\x1a\x0a:heappages"
    read = wire.decode_light_request(b"\x12" + bytes((len(inner),)) + inner)
    assert read == RemoteRead(B, (b":code", b":heappages"))
    inner = bytes.fromhex("1220" + "bb" * 32) + b"\x1a\x0cCore_version" + b"\x22\x00"
    call = wire.decode_light_request(b"\x0a" + bytes((len(inner),)) + inner)
    assert call == RemoteCall(B, "Core_version", b"")


def test_the_proof_of_a_call_is_in_another_field_than_that_of_values() -> None:
    assert LightResponse((b"n",), is_call=True).encode() == bytes.fromhex("0a051203" + "04046e")
    assert LightResponse((b"n",)).encode() == bytes.fromhex("12051203" + "04046e")


def test_old_peers_get_the_justification_of_grandpa_alone() -> None:
    block = BlockData(A, justifications=((b"BEEF", b"1"), (b"FRNK", b"2")))
    old = block.encode(multiple_justifications=False)
    assert BlockData.decode(old).justifications == ((b"FRNK", b"2"),)
    empty = BlockData(A, justifications=((b"FRNK", b""),)).encode(multiple_justifications=False)
    assert BlockData.decode(empty).justifications == ((b"FRNK", b""),)


def test_transactions_keep_their_lengths() -> None:
    parts = (b"\x04x", b"\x00", b"\x15\x01" + b"y" * 69)
    data = wire.encode_transactions(parts)
    assert data == b"\x0c" + b"".join(parts)
    assert wire.decode_transactions(data) == parts


@pytest.mark.parametrize(
    "data",
    [b"", b"\x04", b"\x04\x08x", b"\x00\x00", b"\xfe\xff\xff\xff", b"\x03\xff\xff\xff\xff"],
)
def test_other_transactions_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        wire.decode_transactions(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        uint_field(1, 1 << 24),
        uint_field(1, 1) + bytes_field(2, A),
        uint_field(1, 0x40 << 24) + bytes_field(2, A),
        uint_field(1, 1 << 24) + bytes_field(2, b"short"),
        uint_field(1, 1 << 24) + bytes_field(2, A) + bytes_field(3, b"\0\0\0\0"),
        uint_field(1, 1 << 24) + bytes_field(3, b"\0"),
        uint_field(1, 1 << 24) + bytes_field(3, b"\xff" * 8),
        uint_field(1, 1 << 24) + bytes_field(2, A) + uint_field(5, 2),
        bytes_field(1, A) + bytes_field(2, A),
    ],
)
def test_other_questions_for_blocks_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        BlockRequest.decode(data)


def test_counts_are_bounded_before_parts_are_decoded() -> None:
    many = repeated_field(1, [b"\xff"] * (wire.BLOCKS_MAX + 1))
    with pytest.raises(DecodeError, match="at most"):
        BlockResponse.decode(many)
    keys = bytes_field(2, A) + repeated_field(3, [b""] * (wire.KEYS_MAX + 1))
    with pytest.raises(DecodeError, match="at most"):
        wire.decode_light_request(repeated_field(2, [keys]))
    with pytest.raises(DecodeError, match="at most"):
        StateRequest.decode(bytes_field(1, A) + repeated_field(2, [b""] * 5))


def test_a_light_client_asks_one_thing() -> None:
    call, read = RemoteCall(A, "x", b"").encode(), RemoteRead(A, ()).encode()
    with pytest.raises(DecodeError):
        wire.decode_light_request(call + read)
    with pytest.raises(DecodeError):
        wire.decode_light_request(RemoteCall(A, "é", b"").encode())
    with pytest.raises(DecodeError):
        wire.decode_light_request(RemoteCall(A, "x" * 200, b"").encode())


def test_protocols_are_named_by_genesis_and_fork() -> None:
    assert protocol_name(A, None, RequestKind.WARP) == f"/{'aa' * 32}/sync/warp"
    assert protocol_name(A, "f", Channel.GRANDPA) == f"/{'aa' * 32}/f/grandpa/1"
    assert protocol_names(A, None, "cess", "kad")[1] == "/cess/kad"
    assert protocol_names(A, None, None, Channel.GRANDPA)[1] == "/paritytech/grandpa/1"
    assert len(protocol_names(A, None, None, RequestKind.SYNC)) == 1


@given(st.sampled_from(sorted(DECODERS)), st.binary(max_size=200))
@settings(max_examples=400)
def test_any_bytes_decode_or_are_refused(name: str, data: bytes) -> None:
    try:
        DECODERS[name](data)
    except DecodeError:
        return


@given(st.sampled_from(sorted(MESSAGES)), st.data())
@settings(max_examples=400)
def test_damaged_messages_decode_or_are_refused(name: str, data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from(MESSAGES[name])).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(len(raw) - 1, 0)))
        raw[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    try:
        message = DECODERS[name](bytes(raw))
    except DecodeError:
        return
    assert DECODERS[name](message.encode()) == message


hashes = st.binary(min_size=32, max_size=32).map(Hash)


@given(
    st.builds(
        BlockRequest,
        st.integers(0, 0x3F).map(BlockFields),
        st.one_of(hashes, st.integers(0, 2**32 - 1)),
        st.sampled_from(Direction),
        st.integers(0, 2**32 - 1),
        st.booleans(),
    )
)
def test_any_question_for_blocks_comes_back(request: BlockRequest) -> None:
    assert BlockRequest.decode(request.encode()) == request


def test_a_megabyte_of_empty_digest_items_is_refused_unread() -> None:
    def announce(count: int) -> bytes:
        return BlockAnnounce(replace(HEADER, digest=Digest((Other(b""),) * count)), True).encode()

    assert len(BlockAnnounce.decode(announce(LOGS_MAX)).header.digest.logs) == LOGS_MAX
    flood = announce(500_000)  # reading it would take a second
    with pytest.raises(DecodeError, match="digest items, not 500000"):
        BlockAnnounce.decode(flood)
    with pytest.raises(DecodeError, match="digest items, not 500000"):
        Header.decode(flood[:-2])


def test_millions_of_tiny_extrinsics_in_one_answer_are_refused_early() -> None:
    # 16 MiB of them would take 16 s to read and minutes to hash.
    block = BlockData(A, HEADER.encode(), (b"x",) * wire.BODY_MAX, ())
    fits = BlockResponse((block,) * (wire.BODIES_MAX // wire.BODY_MAX)).encode()
    assert len(BlockResponse.decode(fits).blocks) == 2
    with pytest.raises(DecodeError, match="at most 131072 extrinsics"):
        BlockResponse.decode(BlockResponse((block,) * 20).encode())
