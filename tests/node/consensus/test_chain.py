"""Building, importing and finalising with the real runtime; every broken block is refused."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from node.consensus import chain as chain_module
from node.consensus.chain import NO_ROUTE, Chain, Imported
from node.consensus.equivocations import SIBLINGS_MAX
from node.consensus.finality import FinalityKeys
from node.consensus.verification import FutureBlock, slot_of, unseal
from node.database import BlockRefused, UnknownBlock
from primitives.crypto.keys import KeyPair
from primitives.digest import (
    BABE_ENGINE,
    AuthorityKey,
    Digest,
    EngineId,
    Other,
    PreRuntime,
    Seal,
)
from primitives.equivocation import (
    HEADER_LOGS_MAX,
    BabeEquivocationProof,
    is_babe_equivocation,
)
from primitives.errors import InvalidBlock
from primitives.header import Header
from primitives.justification import (
    GrandpaJustification,
    InvalidJustification,
    make_justification,
    verify_justification,
)
from primitives.scale import U64
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
    padding = PreRuntime(EngineId(b"junk"), bytes(1000))
    crowd = (Other(data=b""),) * HEADER_LOGS_MAX
    return {
        "state root": (seal(replace(good, state_root=wrong)), body, "state root"),
        "extrinsics root": (seal(replace(good, extrinsics_root=wrong)), body, "the root"),
        "body": (good, body[:-1], "the root"),
        "number": (seal(replace(good, number=BlockNumber(2))), body, "follows block"),
        "seal of a stranger": (seal(good, mallory), body, "not its author's"),
        "no seal": (bare, body, "no BABE seal"),
        "two seals": (seal(good.sealed(Seal(engine=BABE_ENGINE, data=b""))), body, "than one seal"),
        "no claim": (seal(replace(good, digest=Digest(other_logs))), body, "0 pre-digests"),
        "two claims": (
            seal(replace(good, digest=Digest((claim, *bare.digest.logs)))),
            body,
            "2 pre-digests",
        ),
        "bytes beside the claim": (
            seal(replace(good, digest=Digest((claim, padding, *other_logs)))),
            body,
            "2 pre-digests",
        ),
        "another engine's claim": (
            seal(replace(good, digest=Digest((padding, *other_logs)))),
            body,
            "1 pre-digests; it must have one, of BABE",
        ),
        "too many items": (
            seal(replace(good, digest=Digest((*bare.digest.logs, *crowd)))),
            body,
            "more than 1024 digest items",
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
    *("bytes beside the claim", "another engine's claim", "too many items"),
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


def test_an_equivocation_cannot_be_hidden_in_a_header_too_large_to_report(
    net: Net, make_net: MakeNet
) -> None:
    built, _ = net.author()
    other = make_net(finalizes=False)
    other.import_(built)
    bare, _ = built.header.split_seal()
    crowd = (Other(data=b""),) * HEADER_LOGS_MAX
    padded = seal(replace(bare, digest=Digest((*bare.digest.logs, *crowd))))
    second = seal(replace(bare, state_root=Hash(b"\x07" * 32)))
    for header in (padded, second):
        with pytest.raises(InvalidBlock):
            other.chain.import_block(header, built.body, now_ms=FIRST_SLOT * net.duration_ms)
    (found,) = other.chain.equivocations
    assert {found.first, found.second} == {built.header, second}
    proof = BabeEquivocationProof(
        offender=AuthorityKey(found.author),
        slot=U64(found.slot),
        first_header=found.first,
        second_header=found.second,
    )
    assert is_babe_equivocation(proof)


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


def grow(net: Net, parent: Header, at: int, *kinds: bool) -> list[Imported]:
    """Blocks upon ``parent``: for each a primary (True) or a secondary one, from slot ``at`` on."""
    found = []
    for primary in kinds:
        slot = net.slot(parent, max(at, slot_of(parent) + 1), primary=primary)
        built, imported = net.author(parent=parent, slot=slot)
        parent = built.header
        found.append(imported)
    return found


def test_of_equal_forks_the_longer_one_wins_and_the_route_says_how(open_net: Net) -> None:
    genesis = open_net.chain.best_header()
    (first,) = grow(open_net, genesis, FIRST_SLOT, False)
    rival, top = grow(open_net, genesis, FIRST_SLOT + 20, False, False)
    assert first.is_best
    assert not rival.is_best  # of the same height, seen later
    assert top.is_best
    assert top.route.retracted == (first.hash,)
    assert top.route.enacted == (rival.hash, top.hash)


def test_an_author_that_won_its_slot_cannot_leave_out_a_block_that_did_not(open_net: Net) -> None:
    # By BABE's rule the rivals were best: their author would choose which draws there have been.
    genesis = open_net.chain.best_header()
    honest = grow(open_net, genesis, FIRST_SLOT, False, False)
    (rival,) = grow(open_net, honest[0].header, FIRST_SLOT + 30, True)
    (deeper,) = grow(open_net, genesis, FIRST_SLOT + 60, True)
    assert not rival.is_best
    assert not deeper.is_best
    assert open_net.chain.database.best().hash == honest[-1].hash
    again = Chain(open_net.chain.database, FinalityKeys(None), finalizes=False)
    assert again.forks.best.hash == honest[-1].hash


def test_the_choice_between_forks_outlives_a_restart(open_net: Net) -> None:
    genesis = open_net.chain.best_header()
    first = grow(open_net, genesis, FIRST_SLOT, False, True)
    grow(open_net, genesis, FIRST_SLOT + 30, False, True)
    grow(open_net, first[0].header, FIRST_SLOT + 60, False)
    assert open_net.chain.database.best().hash == first[-1].hash
    again = Chain(open_net.chain.database, FinalityKeys(None), finalizes=False)
    assert again.forks.best.hash == first[-1].hash
    assert len(again.forks) == len(open_net.chain.forks) == 6
    assert again.forks.route(first[-1].hash, first[0].hash).retracted == (first[-1].hash,)


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


def justify(net: Net, block: Imported, set_id: int = 0) -> bytes:
    """A proof by Alice, who alone decides on the development chain."""
    number = int(block.header.number)
    return make_justification(block.hash, number, 1, set_id, [ALICE_GRANDPA]).encode()


def test_finality_moves_the_best_block_to_the_chain_that_it_chose(open_net: Net) -> None:
    genesis = open_net.chain.best_header()
    heavy = grow(open_net, genesis, FIRST_SLOT, True, True)
    light = grow(open_net, genesis, FIRST_SLOT + 40, False, False)
    assert open_net.chain.database.best().hash == heavy[1].hash
    finality = open_net.chain.import_justification(light[0].hash, justify(open_net, light[0]))
    assert finality.hashes == (light[0].hash,)
    assert finality.led is not None
    assert not finality.led.is_new
    assert finality.led.hash == light[1].hash == open_net.chain.database.best().hash
    assert finality.led.route.retracted == (heavy[1].hash, heavy[0].hash)
    assert finality.led.route.enacted == (light[0].hash, light[1].hash)
    assert open_net.chain.header(light[0].hash).number == 1
    assert open_net.chain.database.header(heavy[0].hash) is None


def test_a_block_on_a_fork_that_finality_left_is_refused(open_net: Net, make_net: MakeNet) -> None:
    other = make_net(finalizes=False)
    genesis = open_net.chain.best_header()
    (lost,) = grow(open_net, genesis, FIRST_SLOT, False)
    child, _ = open_net.author(parent=lost.header, slot=open_net.slot(lost.header, FIRST_SLOT + 9))
    final, _ = other.author(slot=other.slot(genesis, FIRST_SLOT + 40))
    lost_body = open_net.chain.database.body(lost.hash)
    assert lost_body is not None
    other.chain.import_block(lost.header, lost_body, now_ms=(FIRST_SLOT + 50) * 1000)
    proof = make_justification(final.header.hash(), 1, 1, 0, [ALICE_GRANDPA]).encode()
    other.chain.import_justification(final.header.hash(), proof)
    with pytest.raises(UnknownBlock):  # its parent went with the fork
        other.import_(child, now_ms=(FIRST_SLOT + 50) * 1000)


def test_a_block_comes_with_its_justification(net: Net, make_net: MakeNet) -> None:
    other = make_net(finalizes=False)
    built, imported = net.author()
    proof = justify(net, imported)
    now_ms = slot_of(built.header) * net.duration_ms
    mallory = KeyPair.from_suri("//Mallory", "ed25519")
    forged = make_justification(imported.hash, 1, 1, 0, [mallory]).encode()
    with pytest.raises(InvalidJustification):
        other.chain.import_block(built.header, built.body, now_ms=now_ms, justification=forged)
    assert other.chain.database.header(imported.hash) is None
    found = other.chain.import_block(built.header, built.body, now_ms=now_ms, justification=proof)
    assert found.finalized == (imported.hash,)
    assert other.chain.database.justification(imported.hash) == proof


def test_two_blocks_of_one_author_in_one_slot_are_noticed_once(
    open_net: Net, make_net: MakeNet
) -> None:
    first, _ = open_net.author(slot=FIRST_SLOT)
    net = make_net(finalizes=False)
    second, _ = net.author(net.transfer(), slot=FIRST_SLOT)
    open_net.import_(second)
    open_net.import_(second)
    (found,) = open_net.chain.equivocations
    assert (found.author, found.slot) == (ALICE.public, FIRST_SLOT)
    assert (found.first, found.second) == (first.header, second.header)


def test_one_authors_blocks_for_a_slot_are_few_until_somebody_builds_upon_them(
    open_net: Net, make_net: MakeNet
) -> None:
    first, _ = open_net.author(slot=FIRST_SLOT)
    moment = (FIRST_SLOT + 1) * open_net.duration_ms
    siblings = [seal(first.header) for _ in range(2 * SIBLINGS_MAX)]  # a seal is never the same
    ours, theirs = make_net(finalizes=False), make_net(finalizes=False)
    for net, order in ((ours, siblings), (theirs, siblings[::-1])):
        for header in order[:SIBLINGS_MAX]:
            net.chain.import_block(header, first.body, now_ms=moment)
        for header in order[SIBLINGS_MAX:]:
            with pytest.raises(BlockRefused, match="made 4 blocks for slot"):
                net.chain.import_block(header, first.body, now_ms=moment)
    # Both sides are full of other blocks, and one of them goes on: the other can follow.
    above, _ = ours.author(parent=siblings[0], slot=FIRST_SLOT + 1)
    theirs.chain.import_block(siblings[0], first.body, now_ms=moment, is_built_upon=True)
    assert theirs.import_(above).is_best
    # So it can if two thirds say so, though nobody builds upon it.
    built = Imported(siblings[1], siblings[1].hash(), False, NO_ROUTE, ())
    third = make_net(finalizes=False)
    for header in siblings[SIBLINGS_MAX:]:
        third.chain.import_block(header, first.body, now_ms=moment)
    proof = justify(ours, built)
    third.chain.import_block(siblings[1], first.body, now_ms=moment, justification=proof)
    assert third.chain.database.finalized().hash == siblings[1].hash()


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


def test_of_old_justifications_only_those_that_lead_on_are_kept(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain_module, "JUSTIFICATION_PERIOD", 4)
    hashes = [net.author()[1].hash for _ in range(14)]
    kept = [
        number
        for number, hash_ in enumerate(hashes, 1)
        if net.chain.database.justification(hash_) is not None
    ]
    assert kept == [4, 8, 10, 11, 12, 13, 14]
