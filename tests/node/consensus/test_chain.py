"""Building, importing and finalising with the real runtime; every broken block is refused."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from node.consensus.verification import FutureBlock, slot_of, unseal
from node.database import UnknownBlock
from primitives.crypto.keys import KeyPair
from primitives.digest import BABE_ENGINE, Digest, PreRuntime, Seal
from primitives.errors import InvalidBlock
from primitives.header import Header
from primitives.justification import (
    GrandpaJustification,
    InvalidJustification,
    make_justification,
    verify_justification,
)
from primitives.types import BlockNumber, Hash
from tests.node.net import ALICE, ALICE_GRANDPA, BOB, FIRST_SLOT, TCESS, Net

MakeNet = Callable[..., Net]


def seal(header: Header, pair: KeyPair = ALICE) -> Header:
    """Sign a changed header anew."""
    bare, _ = header.split_seal()
    return bare.sealed(Seal(engine=BABE_ENGINE, data=pair.sign(bytes(bare.hash()))))


# Building.


def test_a_built_block_holds_inherents_and_transactions(net: Net) -> None:
    before = net.balance(BOB)
    built, imported = net.author(net.transfer(), net.transfer())
    assert len(built.body) == 3
    assert len(built.included) == 2
    assert imported.is_best
    assert net.balance(BOB) == before + 2 * TCESS
    assert net.chain.database.best().hash == built.header.hash()


def test_an_invalid_transaction_is_left_out_and_named(net: Net) -> None:
    stale, good = net.transfer(nonce=0), net.transfer(nonce=1)
    net.author(stale)
    built, _ = net.author(stale, b"\x10junk", good)
    assert len(built.included) == 1
    assert len(built.invalid) == 2


def test_time_ends_a_block(net: Net) -> None:
    left = iter([False, False, True])
    built, _ = net.author(*(net.transfer() for _ in range(5)), is_late=lambda: next(left))
    assert len(built.included) == 2


def test_a_transaction_of_the_future_is_left_for_later(net: Net) -> None:
    built, _ = net.author(net.transfer(nonce=5))
    assert built.included == built.invalid == ()


# Importing what another node built.


def test_another_node_computes_the_same(net: Net, make_net: MakeNet) -> None:
    other = make_net(finalizes=False)
    for _ in range(3):
        built, _ = net.author(net.transfer())
        imported = other.import_(built)
        assert imported.is_best
    assert other.chain.database.best() == net.chain.database.best()
    assert other.balance(BOB) == net.balance(BOB)


def test_a_known_block_is_imported_once(net: Net, make_net: MakeNet) -> None:
    other = make_net(finalizes=False)
    built, _ = net.author()
    other.import_(built)
    assert not other.import_(built).is_best


def broken_headers(net: Net) -> dict[str, tuple[Header, tuple[bytes, ...], str]]:
    """A good block broken in every way, and what the refusal says."""
    built, _ = net.author(net.transfer())
    good, body = built.header, built.body
    bare, _ = good.split_seal()
    wrong = Hash(b"\x07" * 32)
    claim = next(item for item in good.digest.logs if isinstance(item, PreRuntime))
    other_logs = tuple(item for item in bare.digest.logs if item != claim)
    mallory = KeyPair.from_suri("//Mallory")
    return {
        "state root": (seal(replace(good, state_root=wrong)), body, "state root"),
        "extrinsics root": (seal(replace(good, extrinsics_root=wrong)), body, "the root"),
        "body": (good, body[:-1], "the root"),
        "number": (seal(replace(good, number=BlockNumber(2))), body, "follows block"),
        "seal of a stranger": (seal(good, mallory), body, "not its author's"),
        "no seal": (bare, body, "no BABE seal"),
        "two seals": (seal(good.sealed(Seal(engine=BABE_ENGINE, data=b""))), body, "than one seal"),
        "no claim": (seal(replace(good, digest=Digest(other_logs))), body, "0 BABE pre-digests"),
        "two claims": (
            seal(replace(good, digest=Digest((claim, *bare.digest.logs)))),
            body,
            "2 BABE pre-digests",
        ),
        "junk claim": (
            seal(replace(good, digest=Digest((PreRuntime(BABE_ENGINE, b"\x09"), *other_logs)))),
            body,
            "malformed",
        ),
        "another digest": (
            seal(replace(good, digest=Digest((claim, *other_logs, *other_logs)))),
            body,
            "digest",
        ),
    }


BREAKS = (
    *("state root", "extrinsics root", "body", "number", "seal of a stranger", "no seal"),
    *("two seals", "no claim", "two claims", "junk claim", "another digest"),
)


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_block_is_refused(name: str, net: Net, make_net: MakeNet) -> None:
    cases = broken_headers(net)
    assert set(cases) == set(BREAKS)
    other = make_net(finalizes=False)
    header, body, text = cases[name]
    with pytest.raises(InvalidBlock, match=text):
        other.chain.import_block(header, body, now_ms=FIRST_SLOT * net.duration_ms)
    assert other.chain.database.best().number == 0


def test_a_block_of_somebody_elses_slot_is_refused(net: Net, make_net: MakeNet) -> None:
    built, _ = net.author()
    raw = next(i for i in built.header.digest.logs if isinstance(i, PreRuntime)).data
    stolen = PreRuntime(BABE_ENGINE, raw[:1] + b"\x05\x00\x00\x00" + raw[5:])
    logs = (stolen, *built.header.digest.logs[1:-1])
    header = seal(replace(built.header, digest=Digest(logs)))
    with pytest.raises(InvalidBlock, match="none of 1 authorities"):
        make_net().chain.import_block(header, built.body, now_ms=FIRST_SLOT * 1000)


def test_a_block_from_the_future_is_refused_until_its_time(net: Net, make_net: MakeNet) -> None:
    built, _ = net.author(slot=FIRST_SLOT + 10)
    other = make_net(finalizes=False)
    with pytest.raises(FutureBlock, match="check the clocks"):
        other.import_(built, now_ms=(FIRST_SLOT + 8) * net.duration_ms)
    assert other.import_(built, now_ms=(FIRST_SLOT + 9) * net.duration_ms).is_best


def test_a_block_must_lie_after_its_parents_slot(net: Net, open_net: Net) -> None:
    first, _ = open_net.author(slot=FIRST_SLOT + 5)
    net.import_(first)
    second, _ = open_net.author(slot=FIRST_SLOT + 6)
    raw = next(i for i in second.header.digest.logs if isinstance(i, PreRuntime)).data
    early = PreRuntime(BABE_ENGINE, raw[:5] + (FIRST_SLOT + 5).to_bytes(8, "little") + raw[13:])
    logs = (early, *second.header.digest.logs[1:-1])
    header = seal(replace(second.header, digest=Digest(logs)))
    with pytest.raises(InvalidBlock, match="not after its parent's"):
        net.chain.import_block(header, second.body, now_ms=(FIRST_SLOT + 6) * 1000)


def test_a_block_without_a_known_parent_is_refused(net: Net, make_net: MakeNet) -> None:
    net.author()
    built, _ = net.author()
    with pytest.raises(UnknownBlock):
        make_net().import_(built)


def test_a_fork_below_the_final_block_is_refused(net: Net, open_net: Net) -> None:
    net.author(slot=FIRST_SLOT)
    net.author(slot=FIRST_SLOT + 1)
    rival, _ = open_net.author(slot=FIRST_SLOT + 2)
    with pytest.raises(InvalidBlock, match="not above the finalised block"):
        net.import_(rival)


# Forks.


def test_the_longer_fork_wins_and_the_route_says_how(open_net: Net) -> None:
    genesis = open_net.chain.best_header()
    first, _ = open_net.author(slot=FIRST_SLOT)
    rival, same_height = open_net.author(parent=genesis, slot=FIRST_SLOT + 1)
    assert not same_height.is_best
    top, imported = open_net.author(parent=rival.header, slot=FIRST_SLOT + 2)
    assert imported.is_best
    assert imported.route.retracted == (first.header.hash(),)
    assert imported.route.enacted == (rival.header.hash(), top.header.hash())


# Finality.


def test_each_block_is_final_with_a_justification_that_verifies(net: Net) -> None:
    for height in (1, 2, 3):
        built, imported = net.author()
        hash_ = built.header.hash()
        assert imported.finalized == (hash_,)
        assert net.chain.database.finalized().number == height
        raw = net.chain.database.justification(hash_)
        assert raw is not None
        found = GrandpaJustification.decode(raw)
        assert found.commit.target_hash == hash_
        verify_justification(found, [ALICE_GRANDPA.public], 0)


def test_without_enough_keys_nothing_is_final(make_net: MakeNet) -> None:
    net = make_net(keys=())
    _, imported = net.author()
    assert imported.finalized == ()
    assert net.chain.database.finalized().number == 0


def test_a_justification_from_elsewhere_finalises(net: Net, make_net: MakeNet) -> None:
    other = make_net(finalizes=False)
    hashes = []
    for _ in range(3):
        built, _ = net.author()
        other.import_(built)
        hashes.append(built.header.hash())
    proof = net.chain.database.justification(hashes[1])
    assert proof is not None
    with pytest.raises(InvalidJustification, match="another block"):
        other.chain.import_justification(hashes[2], proof)
    assert other.chain.import_justification(hashes[1], proof).hashes == tuple(hashes[:2])
    assert other.chain.import_justification(hashes[1], proof).hashes == ()


def test_a_strangers_justification_is_refused(open_net: Net) -> None:
    built, _ = open_net.author()
    hash_ = built.header.hash()
    mallory = KeyPair.from_suri("//Mallory", "ed25519")
    forged = make_justification(hash_, 1, 1, 0, [mallory]).encode()
    with pytest.raises(InvalidJustification):
        open_net.chain.import_justification(hash_, forged)
    assert open_net.chain.database.finalized().number == 0


def test_what_a_crash_left_unfinal_is_finalised_at_the_start(make_net: MakeNet) -> None:
    net = make_net()
    net.chain._finalizes = False
    built, _ = net.author()
    net.chain._finalizes = True
    assert net.chain.finalize_best() == (built.header.hash(),)
    assert net.chain.finalize_best() == ()


def test_unsealing_gives_the_claim(net: Net) -> None:
    built, _ = net.author()
    found = unseal(built.header)
    assert found.slot == slot_of(built.header) == FIRST_SLOT
    assert found.authority_index == 0


def test_epochs_pass(net: Net) -> None:
    length = int(net.chain.runtime(net.chain.database.best().hash).babe.config.epoch_duration)
    for epoch in range(3):
        net.author(slot=FIRST_SLOT + epoch * length)
        net.author(slot=FIRST_SLOT + epoch * length + length - 1)
    best = net.chain.database.best()
    assert best.number == 6
    assert net.chain.runtime(best.hash).babe.epoch_index.get() == 2
