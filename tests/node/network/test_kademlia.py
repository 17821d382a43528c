"""Discovery: smoldot's question is answered, long and wrong answers cost nothing."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.network import kademlia
from node.network.address_book import ADDRESSES_MAX
from node.network.addresses import Address
from node.network.identify import decode_identify, identify
from node.network.protobuf import bytes_field, repeated_field
from primitives.errors import DecodeError
from primitives.peer_id import peer_id_bytes, peer_id_of

PEERS = [peer_id_of(bytes((n,)) * 32) for n in range(60)]
ADDRESS = Address.parse("/ip4/1.2.3.4/tcp/30333")


def test_smoldots_question_is_understood() -> None:
    key = peer_id_bytes(PEERS[0])
    data = b"\x08\x04\x12\x26" + key
    assert kademlia.question(key) == data
    assert kademlia.decode_question(data) == key
    assert kademlia.decode_question(b"\x08\x01\x12\x01k") is None


def test_an_answer_holds_the_closest_peers() -> None:
    key = b"key"
    near = kademlia.closest(PEERS, key)
    target = int.from_bytes(sha256(key).digest(), "big")

    def distance(peer: str) -> int:
        return int.from_bytes(sha256(peer_id_bytes(peer)).digest(), "big") ^ target

    assert len(near) == kademlia.CLOSER_MAX
    assert max(map(distance, near)) < min(map(distance, set(PEERS) - set(near)))
    answer = kademlia.encode_answer({peer: [ADDRESS] for peer in near}, key)
    assert kademlia.decode_answer(answer) == [ADDRESS.at_peer(peer) for peer in near]


def test_what_is_too_much_or_unknown_in_an_answer_is_left() -> None:
    peer = peer_id_bytes(PEERS[0])
    good = bytes_field(1, peer) + repeated_field(2, [ADDRESS.encode()] * 9 + [b"\x91\x02"])
    foreign = bytes_field(1, b"\x12\x20" + b"x" * 32) + bytes_field(2, ADDRESS.encode())
    found = kademlia.decode_answer(repeated_field(8, [foreign, good]))
    assert found == [ADDRESS.at_peer(PEERS[0])] * ADDRESSES_MAX
    many = kademlia.decode_answer(repeated_field(8, [good] * 100))
    assert len(many) <= kademlia.CLOSER_MAX * ADDRESSES_MAX
    with pytest.raises(DecodeError):
        kademlia.decode_answer(repeated_field(8, [good] * 300))
    with pytest.raises(DecodeError):
        kademlia.decode_question(b"\x08\x04" + bytes_field(2, b"k" * 300))


def test_a_node_says_where_it_listens() -> None:
    data = identify(
        peer=PEERS[0], agent="x", listening=[ADDRESS], protocols=["/a"], observed=ADDRESS
    )
    assert decode_identify(data) == [ADDRESS]
    others = repeated_field(2, [b"junk", Address.parse("/ip4/1.2.3.4/tcp/0").encode()])
    assert decode_identify(others) == []
    assert (
        len(
            decode_identify(
                repeated_field(
                    2, [Address.of_host("1.2.3.4", port).encode() for port in range(1, 99)]
                )
            )
        )
        == ADDRESSES_MAX
    )


@given(st.binary(max_size=100))
def test_any_bytes_are_an_answer_or_refused(data: bytes) -> None:
    for decode in (kademlia.decode_answer, kademlia.decode_question, decode_identify):
        try:
            decode(data)
        except DecodeError:
            continue
