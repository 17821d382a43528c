"""Chains with several authors: every slot has one, all agree, and nobody can choose a draw."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.consensus.authorities import epoch_for
from node.consensus.authorship import BuiltBlock
from node.consensus.slots import SlotClaim, claim_slot, wins_slot
from node.consensus.verification import slot_of, unseal
from primitives.crypto.keys import KeyPair
from primitives.digest import (
    BABE_ENGINE,
    BabeConsensusLog,
    BabePreDigest,
    Digest,
    NextEpochData,
    PreRuntime,
    Primary,
    Seal,
    SecondaryPlain,
    SecondaryVrf,
    VrfSignature,
)
from primitives.errors import InvalidBlock
from primitives.header import Header
from primitives.scale import U32, U64, decode, encode
from tests.node.net import FIRST_SLOT, Net, new_net

MakeNet = Callable[..., Net]
PAIRS = tuple(KeyPair.from_suri(f"//{name}") for name in ("Alice", "Bob", "Charlie", "Dave"))
SUBJECT = b"a draw"


def claims_of(net: Net, slot: int, pairs: tuple[KeyPair, ...]) -> list[SlotClaim]:
    """The claims that each of ``pairs`` alone would make, upon the best block."""
    best = net.chain.best_header()
    epoch = epoch_for(net.chain.runtime(best.hash()), slot)
    found = (claim_slot(slot, epoch, [pair]) for pair in pairs)
    return [claim for claim in found if claim is not None]


def draw(net: Net, header: Header) -> bytes:
    return bytes(net.chain.runtime(header.hash()).babe.random(SUBJECT))


def resealed(built: BuiltBlock, claim: BabePreDigest, pair: KeyPair) -> Header:
    """The block with another claim, sealed by its author."""
    bare, _ = built.header.split_seal()
    first = PreRuntime(BABE_ENGINE, encode(BabePreDigest, claim))
    changed = replace(bare, digest=Digest((first, *bare.digest.logs[1:])))
    return changed.sealed(Seal(engine=BABE_ENGINE, data=pair.sign(bytes(changed.hash()))))


@settings(max_examples=8, deadline=None)
@given(st.integers(2, 4), st.lists(st.integers(1, 45), min_size=4, max_size=10), st.data())
def test_chains_of_several_authors_are_valid_everywhere(
    count: int, steps: list[int], data: st.DataObject
) -> None:
    pairs = PAIRS[:count]
    net = new_net(finalizes=False, authorities=pairs)
    other = new_net(finalizes=False, authorities=pairs)
    slot, randomness = FIRST_SLOT, [bytes(32)]
    for step in steps:
        claims = claims_of(net, slot, pairs)
        assert claims, "because every slot has an author"
        claim = data.draw(st.sampled_from(claims))
        built, _ = net.author(slot=slot, pair=claim.pair)
        assert other.import_(built).is_best
        assert unseal(built.header).claim == claim.pre_digest
        for raw in built.header.digest.consensus(BABE_ENGINE):
            told = decode(BabeConsensusLog, raw)
            assert isinstance(told, NextEpochData)
            randomness.append(bytes(told.randomness))
        slot += step
    assert other.chain.database.best() == net.chain.database.best()
    assert len(set(randomness)) == len(randomness) - 1  # block 1 repeats that of genesis


def test_both_kinds_of_slot_occur_and_all_authors_have_some(make_net: MakeNet) -> None:
    net = make_net(finalizes=False, authorities=PAIRS)
    kinds, authors = set(), set()
    for slot in range(FIRST_SLOT, FIRST_SLOT + 40):
        for claim in claims_of(net, slot, PAIRS):
            kinds.add(type(claim.pre_digest))
            authors.add(claim.authority_index)
    assert kinds == {Primary, SecondaryVrf}
    assert authors == {0, 1, 2, 3}


# Nobody chooses a draw.


def test_what_an_author_puts_into_its_block_changes_no_draw(make_net: MakeNet) -> None:
    """The author tries blocks of one slot until it likes the draw; all give the same."""
    draws, hashes = set(), set()
    for transfers in range(4):
        net = make_net(finalizes=False)
        built, _ = net.author(*(net.transfer() for _ in range(transfers)))
        hashes.add(built.header.hash())
        draws.add(draw(net, built.header))
    assert len(hashes) == 4
    assert len(draws) == 1


def test_what_an_author_puts_into_its_block_changes_no_later_draw(make_net: MakeNet) -> None:
    """It knows its own next output, and tries blocks before it; all give the same."""
    draws = set()
    for transfers in range(3):
        net = make_net(finalizes=False)
        net.author(*(net.transfer() for _ in range(transfers)))
        built, _ = net.author()
        draws.add(draw(net, built.header))
    assert len(draws) == 1


def test_withholding_a_block_is_all_that_an_author_can_do(make_net: MakeNet) -> None:
    """The slot stays empty, the next author's output counts, and both could be foreseen."""
    made, withheld = make_net(finalizes=False), make_net(finalizes=False)
    made.author(slot=FIRST_SLOT)
    withheld.author(slot=FIRST_SLOT)
    made.author(slot=FIRST_SLOT + 1)
    one, _ = made.author(slot=FIRST_SLOT + 2)
    other, _ = withheld.author(slot=FIRST_SLOT + 2)
    assert unseal(one.header).claim == unseal(other.header).claim
    assert draw(made, one.header) != draw(withheld, other.header)


# Claims that the import refuses.


def refused(net: Net, header: Header, built: BuiltBlock, text: str) -> None:
    with pytest.raises(InvalidBlock, match=text):
        net.chain.import_block(header, built.body, now_ms=slot_of(header) * net.duration_ms)
    assert net.chain.database.best().number == 0


def test_a_claim_with_another_output_is_refused(make_net: MakeNet) -> None:
    net, other = make_net(finalizes=False), make_net(finalizes=False)
    claim = net.claim(net.chain.best_header(), FIRST_SLOT).pre_digest
    later = net.claim(net.chain.best_header(), FIRST_SLOT + 1).pre_digest
    built, _ = net.author(slot=FIRST_SLOT)
    assert isinstance(claim, Primary | SecondaryVrf)
    assert isinstance(later, Primary | SecondaryVrf)
    good, wrong = claim.vrf_signature, later.vrf_signature
    for signature in (
        wrong,
        VrfSignature(pre_output=wrong.pre_output, proof=good.proof),
        VrfSignature(pre_output=good.pre_output, proof=wrong.proof),
    ):
        forged = replace(claim, vrf_signature=signature)
        refused(other, resealed(built, forged, PAIRS[0]), built, "not what its author's key gives")


def test_a_slot_that_is_not_won_is_no_primary_one(make_net: MakeNet) -> None:
    net, other = make_net(finalizes=False), make_net(finalizes=False)
    epoch = epoch_for(net.chain.runtime(net.chain.best_header().hash()), FIRST_SLOT)
    slot = next(
        at for at in range(FIRST_SLOT, FIRST_SLOT + 99) if not wins_slot(at, epoch, 0, PAIRS[0])
    )
    claim = net.claim(net.chain.best_header(), slot).pre_digest
    built, _ = net.author(slot=slot)
    assert isinstance(claim, SecondaryVrf)
    forged = Primary(
        authority_index=claim.authority_index, slot=claim.slot, vrf_signature=claim.vrf_signature
    )
    refused(other, resealed(built, forged, PAIRS[0]), built, "did not win")


def test_a_secondary_slot_of_somebody_else_is_refused(make_net: MakeNet) -> None:
    net = make_net(finalizes=False, authorities=PAIRS)
    other = make_net(finalizes=False, authorities=PAIRS)
    epoch = epoch_for(net.chain.runtime(net.chain.best_header().hash()), FIRST_SLOT)
    thief, owner = next(
        (thief, claim)
        for slot in range(FIRST_SLOT, FIRST_SLOT + 99)
        for claim in claims_of(net, slot, PAIRS)
        if isinstance(claim.pre_digest, SecondaryVrf)
        for thief in range(4)
        if thief != claim.authority_index
    )
    output, proof = PAIRS[thief].vrf_key().sign(epoch.transcript(owner.slot))
    built, _ = net.author(slot=owner.slot, pair=owner.pair)
    assert isinstance(owner.pre_digest, SecondaryVrf)
    signature = owner.pre_digest.vrf_signature
    stolen = replace(
        owner.pre_digest,
        authority_index=U32(thief),
        vrf_signature=replace(
            signature,
            pre_output=type(signature.pre_output)(output.pre_output),
            proof=type(signature.proof)(proof),
        ),
    )
    refused(other, resealed(built, stolen, PAIRS[thief]), built, "belongs to authority")


def test_a_claim_without_an_output_is_refused(make_net: MakeNet) -> None:
    net, other = make_net(finalizes=False), make_net(finalizes=False)
    built, _ = net.author(slot=FIRST_SLOT)
    plain = SecondaryPlain(authority_index=U32(0), slot=U64(FIRST_SLOT))
    refused(
        other, resealed(built, plain, PAIRS[0]), built, "the epoch has PrimaryAndSecondaryVRFSlots"
    )


def test_a_claim_is_checked_once(make_net: MakeNet, monkeypatch: pytest.MonkeyPatch) -> None:
    """An author does not check its own, and an importer not twice: each time is 1.5 ms."""
    from node.consensus import verification
    from pallets.babe import pallet, slots

    checks: list[BabePreDigest] = []

    def counting(claim: BabePreDigest, epoch: slots.SlotEpoch) -> object:
        checks.append(claim)
        return slots.check_claim(claim, epoch)

    monkeypatch.setattr(verification, "check_claim", counting)
    monkeypatch.setattr(pallet, "check_claim", counting)
    net, other = make_net(finalizes=False), make_net(finalizes=False)
    built, _ = net.author()
    assert checks == []
    other.import_(built)
    assert checks == [unseal(built.header).claim]
