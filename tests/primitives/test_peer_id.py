"""Peer ids are libp2p's, and nothing else is one."""

import pytest

from primitives.errors import InvalidKey
from primitives.keystore import node_public_key
from primitives.peer_id import peer_id_bytes, peer_id_of, peer_id_text


def test_the_peer_id_of_a_key_is_the_one_that_libp2p_gives_it() -> None:
    from libp2p.crypto.ed25519 import create_new_key_pair
    from libp2p.peer.id import ID

    for number in range(8):
        seed = bytes((number,)) * 32
        theirs = ID.from_pubkey(create_new_key_pair(seed).public_key)
        ours = peer_id_of(node_public_key(seed))
        assert ours == theirs.to_base58()
        assert peer_id_bytes(ours) == theirs.to_bytes()
        assert peer_id_text(theirs.to_bytes()) == ours


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "12D3", "1" * 52, "z" * 52, "l" * 52, "1" * 10_000),
        "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG",
        "12D3KooWKUXshmnd7bCjzsYgzzE1ihANdPp3UCidCRaSKbhHyr9d ",
        "112D3KooWKUXshmnd7bCjzsYgzzE1ihANdPp3UCidCRaSKbhHyr9",
    ],
)
def test_other_texts_are_no_peer_ids(text: str) -> None:
    with pytest.raises(InvalidKey):
        peer_id_bytes(text)
