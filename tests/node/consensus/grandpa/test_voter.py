"""One voter, told what others say: what it orders, refuses, keeps and forgets."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from node.consensus.grandpa import (
    AuthoritiesChanged,
    BlockImported,
    Broadcast,
    Conflict,
    Effect,
    Equivocated,
    Fetch,
    Finalized,
    FinalizedElsewhere,
    Misbehaved,
    Offence,
    PeerLeft,
    Persist,
    Received,
    Send,
    Ticked,
    Timing,
    Voter,
    VoterRecord,
)
from node.consensus.grandpa.voter import PEERS_MAX
from node.consensus.grandpa.waiting import COMMITS_MAX
from primitives.crypto.keys import KeyPair
from primitives.crypto.signatures import SignatureBytes
from primitives.grandpa import (
    Block,
    CatchUpMessage,
    CatchUpRequest,
    CommitMessage,
    CompactCommit,
    GossipMessage,
    NeighbourMessage,
    NeighbourV1,
    SignedVote,
    VoteKind,
    VoteMessage,
    compact_commit,
    make_vote,
    sign_vote,
)
from primitives.justification import (
    Commit,
    GrandpaJustification,
    SignedPrecommit,
    verify_justification,
)
from primitives.scale import U64
from primitives.types import BlockNumber, Hash
from tests.node.consensus.grandpa.world import Tree, View, authorities, pairs

T = 100
TIMING = Timing(gossip_ms=T, repeat_ms=10 * T)
PREVOTE, PRECOMMIT, PROPOSAL = VoteKind.PREVOTE, VoteKind.PRECOMMIT, VoteKind.PROPOSAL
PEER = "peer"


class Desk:
    """A voter (the first of four) over a chain ``a`` and a fork ``b`` from block 1 on."""

    def __init__(
        self,
        *,
        known: int = 6,
        record: VoterRecord | None = None,
        who: int = 0,
        timing: Timing = TIMING,
        signs: bool = True,
        final: int = 0,
    ) -> None:
        tree = Tree()
        self.tree = tree
        self.a = [tree.genesis, *tree.chain(tree.genesis, 8, 1)]
        self.b = [*self.a[:2], *tree.chain(self.a[1], 4, 2)]
        self.view = View(tree)
        for block in self.a[1:known]:
            self.view.add(block, tree.genesis)
        self.pair = pairs(4)[who]
        self.now = 0
        self.voter = Voter(
            self.view,
            authorities(4),
            0,
            self.a[final],
            self.pair if signs else None,
            now_ms=0,
            timing=timing,
            record=record,
        )
        self.first = self.orders()

    def orders(self) -> list[Effect]:
        orders = []
        while (effect := self.voter.next_effect()) is not None:
            orders.append(effect)
            if isinstance(effect, Persist):
                self.record = effect.record
        return orders

    def tick(self, ms: int) -> list[Effect]:
        self.now += ms
        self.voter.receive(Ticked(), self.now)
        return self.orders()

    def hear(self, message: GossipMessage, peer: str = PEER) -> list[Effect]:
        self.voter.receive(Received(peer, message), self.now)
        return self.orders()

    def import_block(self, block: Block) -> list[Effect]:
        self.view.add(block, self.tree.genesis)
        self.voter.receive(BlockImported(block.hash), self.now)
        return self.orders()

    def play_round(self, number: int, block: Block) -> list[Effect]:
        """The others vote for ``block``, and we with them."""
        orders = []
        for kind in (PREVOTE, PRECOMMIT):
            for who in (1, 2, 3):
                orders += self.hear(ballot(kind, who, block, number))
            orders += self.tick(2 * T)
        return orders


def cast(kind: VoteKind, who: int, block: Block, number: int = 1, set_id: int = 0) -> SignedVote:
    pair: KeyPair = pairs(who + 1)[who]
    return sign_vote(make_vote(kind, block), number, set_id, pair)


def ballot(kind: VoteKind, who: int, block: Block, number: int = 1, set_id: int = 0) -> VoteMessage:
    signed = cast(kind, who, block, number, set_id)
    return VoteMessage(round=U64(number), set_id=U64(set_id), signed=signed)


def precommit(who: int, block: Block, number: int = 1) -> SignedPrecommit:
    signed = cast(PRECOMMIT, who, block, number)
    return SignedPrecommit(
        target_hash=Hash(block.hash),
        target_number=BlockNumber(block.number),
        signature=signed.signature,
        authority=signed.authority,
    )


def commit_of(
    block: Block, votes: Iterable[SignedPrecommit], number: int = 1, set_id: int = 0
) -> CommitMessage:
    commit = Commit(
        target_hash=Hash(block.hash),
        target_number=BlockNumber(block.number),
        precommits=tuple(votes),
    )
    return CommitMessage(round=U64(number), set_id=U64(set_id), commit=compact_commit(commit))


def neighbour(number: int, final: int, set_id: int = 0) -> NeighbourMessage:
    return NeighbourMessage(
        packet=NeighbourV1(
            round=U64(number), set_id=U64(set_id), finalized_number=BlockNumber(final)
        )
    )


def votes_in(orders: Iterable[Effect], desk: Desk) -> list[tuple[VoteKind, Block]]:
    return [
        (order.message.signed.vote.kind, order.message.signed.vote.block)
        for order in orders
        if isinstance(order, Broadcast)
        and isinstance(order.message, VoteMessage)
        and order.message.signed.authority == desk.pair.public
    ]


def offences(orders: Iterable[Effect]) -> list[Offence]:
    return [order.offence for order in orders if isinstance(order, Misbehaved)]


def finals(orders: Iterable[Effect]) -> list[Block]:
    return [order.block for order in orders if isinstance(order, Finalized)]


# Voting.


def test_a_voter_prevotes_after_two_periods_and_precommits_to_the_ghost() -> None:
    desk = Desk()
    assert votes_in(desk.tick(T), desk) == []
    assert desk.voter.next_deadline() == 2 * T
    assert votes_in(desk.tick(T), desk) == [(PREVOTE, desk.a[5])]
    for who in (1, 2):
        orders = desk.hear(ballot(PREVOTE, who, desk.a[4]))
    assert votes_in(orders, desk) == []  # the silent one could raise the ghost
    assert votes_in(desk.tick(2 * T), desk) == [(PRECOMMIT, desk.a[4])]


def test_a_voter_precommits_at_once_when_the_ghost_is_settled() -> None:
    desk = Desk()
    desk.tick(2 * T)
    orders = []
    for who in (1, 2, 3):
        orders += desk.hear(ballot(PREVOTE, who, desk.a[5]))
    assert votes_in(orders, desk) == [(PRECOMMIT, desk.a[5])]


def test_each_vote_is_remembered_before_it_is_sent() -> None:
    desk = Desk()
    orders = desk.tick(2 * T)
    sent = next(at for at, order in enumerate(orders) if votes_in([order], desk))
    saved = orders[sent - 1]
    assert isinstance(saved, Persist)
    assert [signed.vote.block for signed in saved.record.own] == [desk.a[5]]
    assert VoterRecord.decode(saved.record.encode()) == saved.record


def test_a_round_finalizes_and_the_next_begins() -> None:
    desk = Desk()
    orders = desk.play_round(1, desk.a[5])
    assert finals(orders) == [desk.a[5]]
    assert desk.voter.statistics().round == 2
    commits = [
        order.message
        for order in orders
        if isinstance(order, Broadcast) and isinstance(order.message, CommitMessage)
    ]
    assert [int(message.commit.target_number) for message in commits] == [5]


def test_a_restarted_voter_repeats_its_votes_and_casts_no_others() -> None:
    desk = Desk()
    desk.tick(2 * T)
    again = Desk(record=desk.record)
    orders = []
    for block in again.a[6:]:
        orders += again.import_block(block)  # the best chain is another one now
    orders += again.tick(3 * T)
    assert {block for _, block in votes_in(orders, again)} == {desk.a[5]}
    orders = again.tick(10 * T)
    assert votes_in(orders, again) == [(PREVOTE, desk.a[5])]


def test_a_restarted_voter_goes_on_in_its_round() -> None:
    desk = Desk()
    desk.play_round(1, desk.a[3])
    desk.tick(2 * T)
    again = Desk(record=desk.record)
    assert again.voter.statistics().round == 2
    orders = again.play_round(2, again.a[5])
    assert (PRECOMMIT, again.a[5]) in votes_in(orders, again)
    assert again.voter.statistics().round == 3


def test_a_restarted_voter_remembers_the_votes_that_its_own_rests_on() -> None:
    # Of two votes of a liar only we saw the second one; we precommit upon it and crash.
    desk = Desk()
    desk.tick(2 * T)
    desk.hear(ballot(PREVOTE, 1, desk.a[5]))
    desk.hear(ballot(PREVOTE, 2, desk.a[1]))
    desk.hear(ballot(PREVOTE, 2, desk.a[2]))
    desk.tick(2 * T)
    assert [signed.vote.block for signed in desk.record.own] == [desk.a[5], desk.a[5]]
    again = Desk(record=VoterRecord.decode(desk.record.encode()))
    assert again.voter.statistics().prevote_weight == 3
    heard = votes_of_others([order for _ in range(40) for order in again.tick(T)], again)
    assert (2, desk.a[1]) in heard
    assert (2, desk.a[2]) in heard


def votes_of_others(orders: Iterable[Effect], desk: Desk) -> list[tuple[int, Block]]:
    keys = [pair.public for pair in pairs(4)]
    return [
        (keys.index(order.message.signed.authority), order.message.signed.vote.block)
        for order in orders
        if isinstance(order, Broadcast)
        and isinstance(order.message, VoteMessage)
        and order.message.signed.authority != desk.pair.public
    ]


def test_a_record_of_another_set_is_not_used() -> None:
    desk = Desk()
    desk.tick(2 * T)
    again = Desk(record=replace(desk.record, set_id=U64(7)))
    assert votes_in(again.tick(2 * T), again)[0] == (PREVOTE, desk.a[5])


def test_a_record_upon_lost_blocks_keeps_the_round() -> None:
    desk = Desk()
    desk.play_round(1, desk.a[5])
    desk.tick(2 * T)
    again = Desk(record=desk.record, known=2)
    assert again.voter.statistics().round == 2
    assert votes_in(again.tick(2 * T), again) != [(PREVOTE, again.a[1])]


def test_a_voter_that_lost_blocks_outlives_late_votes_of_the_round_before() -> None:
    desk = Desk()
    desk.play_round(1, desk.a[5])
    again = Desk(record=desk.record, known=2)
    again.orders()
    again.hear(ballot(PRECOMMIT, 3, again.a[1], number=1))
    again.tick(1000)
    assert again.voter.statistics().round == 2


def test_a_vote_of_ours_that_we_forgot_is_not_contradicted() -> None:
    desk = Desk()
    desk.hear(ballot(PREVOTE, 0, desk.a[2]))  # an earlier life of ours voted
    orders = desk.tick(2 * T)
    assert votes_in(orders, desk) in ([], [(PREVOTE, desk.a[2])])
    desk = Desk()
    desk.hear(ballot(PREVOTE, 0, desk.b[3]))  # even for a block that we lost
    assert (PREVOTE, desk.a[5]) not in votes_in(desk.tick(2 * T), desk)


PRIMARY = [pair.public for pair in pairs(4)].index(sorted(key for key, _ in authorities(4))[2])
"""Who is primary in round 2."""


def undecided_round(desk: Desk, us: int) -> None:
    """Round 1 ends with a[3] final and a[5] possible: one precommit for a[5] is missing."""
    others = [who for who in range(4) if who != us]
    for who in others:
        desk.hear(ballot(PREVOTE, who, desk.a[5]))
    desk.tick(2 * T)
    desk.hear(ballot(PRECOMMIT, others[0], desk.a[5]))
    desk.hear(ballot(PRECOMMIT, others[1], desk.a[3]))
    assert desk.voter.statistics().round == 2
    assert desk.voter.statistics().finalized == desk.a[3]


def test_the_primary_proposes_what_may_be_final() -> None:
    desk = Desk(who=PRIMARY)
    undecided_round(desk, PRIMARY)
    votes = desk.record.own
    assert [(signed.vote.kind, signed.vote.block) for signed in votes] == [(PROPOSAL, desk.a[5])]


@pytest.mark.parametrize("is_proposed", [True, False])
def test_voters_follow_a_proposal_between_estimate_and_ghost(is_proposed: bool) -> None:
    us = (PRIMARY + 1) % 4
    desk = Desk(known=9, who=us)
    others = [who for who in range(4) if who != us]
    for who in others:
        desk.hear(ballot(PREVOTE, who, desk.a[5]))
    desk.tick(2 * T)
    for who in others:
        desk.hear(ballot(PRECOMMIT, who, desk.a[3]))
    assert desk.voter.statistics().round == 2
    fork = desk.tree.chain(desk.a[3], 9, 9)
    for block in fork:
        desk.import_block(block)
    if is_proposed:
        desk.hear(ballot(PROPOSAL, PRIMARY, desk.a[4], 2))
    expected = desk.a[8] if is_proposed else fork[-1]
    assert (PREVOTE, expected) in votes_in(desk.tick(2 * T), desk)


@pytest.mark.parametrize("who", [(PRIMARY + 1) % 4, (PRIMARY + 2) % 4])
def test_a_proposal_of_another_than_the_primary_is_not_followed(who: int) -> None:
    us = (PRIMARY + 3) % 4
    desk = Desk(known=9, who=us)
    for other in range(4):
        if other != us:
            desk.hear(ballot(PREVOTE, other, desk.a[5]))
    desk.tick(2 * T)
    for other in range(4):
        if other != us:
            desk.hear(ballot(PRECOMMIT, other, desk.a[3]))
    fork = desk.tree.chain(desk.a[3], 9, 9)
    for block in fork:
        desk.import_block(block)
    desk.hear(ballot(PROPOSAL, who, desk.a[4], 2))
    assert (PREVOTE, fork[-1]) in votes_in(desk.tick(2 * T), desk)


def test_an_observer_votes_not() -> None:
    desk = Desk()
    desk.voter = Voter(desk.view, authorities(4), 0, desk.a[0], None, now_ms=0, timing=TIMING)
    desk.orders()
    assert votes_in(desk.tick(5 * T), desk) == []
    orders = desk.play_round(1, desk.a[5])
    assert finals(orders) == [desk.a[5]]
    stranger = KeyPair.from_seed(b"\x77" * 32, "ed25519")
    desk.voter = Voter(desk.view, authorities(4), 0, desk.a[0], stranger, now_ms=0, timing=TIMING)
    assert votes_in(desk.tick(5 * T), desk) == []


def test_time_that_goes_back_is_held() -> None:
    desk = Desk()
    desk.tick(2 * T)
    desk.voter.receive(Ticked(), -5)
    assert desk.voter.next_deadline() > 2 * T


# What peers send.


def test_bad_votes_are_data_and_accuse_the_sender() -> None:
    desk = Desk()
    good = ballot(PREVOTE, 1, desk.a[3])
    forged = replace_signature(good)
    assert offences(desk.hear(forged)) == [Offence.BAD_SIGNATURE]
    assert offences(desk.hear(ballot(PREVOTE, 4, desk.a[3]))) == [Offence.NOT_A_VOTER]
    wrong = ballot(PREVOTE, 1, Block(desk.a[3].hash, 4))
    assert offences(desk.hear(wrong)) == [Offence.WRONG_HEIGHT]
    replayed = VoteMessage(round=U64(2), set_id=U64(0), signed=good.signed)
    assert offences(desk.hear(replayed)) == [Offence.BAD_SIGNATURE]
    assert desk.voter.statistics().prevote_weight == 0


def replace_signature(message: VoteMessage) -> VoteMessage:
    signed = SignedVote(
        vote=message.signed.vote,
        signature=SignatureBytes(bytes(64)),
        authority=message.signed.authority,
    )
    return VoteMessage(round=message.round, set_id=message.set_id, signed=signed)


def test_votes_of_other_sets_and_far_rounds_are_ignored_unread() -> None:
    desk = Desk()
    for message in (
        ballot(PREVOTE, 1, desk.a[3], 1, 1),
        ballot(PREVOTE, 1, desk.a[3], 3),
        ballot(PREVOTE, 1, desk.a[3], 2**64 - 1),
        ballot(PREVOTE, 1, desk.a[3], 0),
        replace_signature(ballot(PREVOTE, 1, desk.a[3], 3)),
    ):
        assert [order for order in desk.hear(message) if not isinstance(order, Broadcast)] == []
    assert desk.voter.statistics().waiting_votes == 0


def test_a_new_vote_is_passed_on_once() -> None:
    desk = Desk()
    desk.tick(1)
    message = ballot(PREVOTE, 1, desk.a[3])
    assert desk.hear(message) == [Broadcast(message, except_peer=PEER)]
    assert desk.hear(message) == []


def test_a_vote_is_passed_on_only_when_its_height_is_known() -> None:
    # Else a voter could make honest peers pass on a vote that accuses them.
    desk = Desk(known=3)
    desk.tick(1)
    lie = ballot(PREVOTE, 1, Block(desk.a[4].hash, 9))
    assert desk.hear(lie) == [Fetch(PEER, lie.signed.vote.block)]
    truth = ballot(PREVOTE, 2, desk.a[4])
    assert desk.hear(truth) == [Fetch(PEER, desk.a[4])]
    desk.import_block(desk.a[3])
    orders = desk.import_block(desk.a[4])
    assert Broadcast(truth) in orders
    assert Broadcast(lie) not in orders


def test_two_votes_of_one_voter_are_proven() -> None:
    desk = Desk()
    desk.hear(ballot(PREVOTE, 1, desk.a[3]))
    orders = desk.hear(ballot(PREVOTE, 1, desk.a[4]))
    proofs = [order.proof for order in orders if isinstance(order, Equivocated)]
    assert [(proof.first.vote.block, proof.second.vote.block) for proof in proofs] == [
        (desk.a[3], desk.a[4])
    ]
    orders = desk.hear(ballot(PREVOTE, 1, desk.a[5]))
    assert not any(isinstance(order, Equivocated) for order in orders)


def test_a_vote_for_an_unknown_block_waits_for_it() -> None:
    desk = Desk(known=3)
    desk.tick(1)
    message = ballot(PREVOTE, 1, desk.a[4])
    assert Fetch(PEER, desk.a[4]) in desk.hear(message)
    assert desk.voter.statistics().prevote_weight == 0
    assert desk.hear(message, "other") == [Fetch("other", desk.a[4])]
    desk.import_block(desk.a[3])
    desk.import_block(desk.a[4])
    assert desk.voter.statistics().prevote_weight == 1
    assert desk.voter.statistics().waiting_votes == 0


def test_a_vote_of_the_next_round_waits_for_it() -> None:
    desk = Desk()
    desk.hear(ballot(PREVOTE, 1, desk.a[5], 2))
    assert desk.voter.statistics().waiting_votes == 1
    desk.play_round(1, desk.a[5])
    assert desk.voter.statistics().round == 2
    assert desk.voter.statistics().waiting_votes == 0
    assert desk.voter.statistics().prevote_weight == 2  # and ours


def test_a_flood_of_votes_takes_a_bounded_place() -> None:
    desk = Desk(known=3)
    unknown = desk.tree.chain(desk.a[8], 40, 7)
    for number in (1, 2):
        for kind in VoteKind:
            for block in unknown:
                for who in (1, 2):
                    desk.hear(ballot(kind, who, block, number))
    assert desk.voter.statistics().waiting_votes <= 2 * 2 * 3 * 2


def test_more_peers_than_allowed_are_not_heard() -> None:
    desk = Desk()
    for at in range(PEERS_MAX + 5):
        desk.hear(neighbour(1, 0), f"p{at}")
    assert desk.voter.statistics().peers == PEERS_MAX
    desk.hear(ballot(PREVOTE, 1, desk.a[3]), "one more")
    assert desk.voter.statistics().prevote_weight == 0
    desk.voter.receive(PeerLeft("p0"), desk.now)
    desk.hear(ballot(PREVOTE, 1, desk.a[3]), "one more")
    assert desk.voter.statistics().prevote_weight == 1


# Commits.


def test_a_commit_finalizes_and_is_passed_on() -> None:
    desk = Desk()
    message = commit_of(desk.a[4], [precommit(who, desk.a[4 + who // 3]) for who in (1, 2, 3)])
    orders = desk.hear(message)
    assert finals(orders) == [desk.a[4]]
    assert Broadcast(message, except_peer=PEER) in orders
    assert finals(desk.hear(message)) == []


def test_a_commit_of_a_far_round_finalizes_too() -> None:
    desk = Desk()
    votes = [precommit(who, desk.a[4], 77) for who in (1, 2, 3)]
    assert finals(desk.hear(commit_of(desk.a[4], votes, 77))) == [desk.a[4]]


def test_commits_that_prove_nothing_accuse_the_sender() -> None:
    desk = Desk()
    a4 = desk.a[4]
    votes = [precommit(who, a4) for who in (1, 2, 3)]
    bad_signature = SignedPrecommit(
        target_hash=Hash(a4.hash),
        target_number=BlockNumber(4),
        signature=SignatureBytes(bytes(64)),
        authority=votes[0].authority,
    )
    lists = commit_of(a4, votes).commit
    mismatch = CompactCommit(
        target_hash=lists.target_hash,
        target_number=lists.target_number,
        precommits=lists.precommits,
        signatures=lists.signatures[:2],
    )
    for message in (
        commit_of(a4, votes[:2]),
        commit_of(a4, []),
        commit_of(a4, [*votes[:2], votes[0]]),
        commit_of(a4, [*votes, votes[0]]),
        commit_of(a4, [bad_signature, *votes[1:]]),
        commit_of(a4, [*votes[:2], precommit(4, a4)]),
        commit_of(a4, [*votes[:2], precommit(3, desk.a[3])]),
        commit_of(a4, votes, 2),
        commit_of(Block(a4.hash, 5), votes),
        CommitMessage(round=U64(1), set_id=U64(0), commit=mismatch),
    ):
        orders = desk.hear(message)
        assert offences(orders) == [Offence.BAD_COMMIT]
        assert finals(orders) == []
    assert finals(desk.hear(commit_of(a4, votes))) == [a4]


def test_a_commit_for_an_unknown_block_waits_for_it() -> None:
    desk = Desk(known=3)
    message = commit_of(desk.a[4], [precommit(who, desk.a[4]) for who in (1, 2, 3)])
    assert Fetch(PEER, desk.a[4]) in desk.hear(message)
    desk.hear(message)
    assert desk.voter.statistics().waiting_commits == 1
    desk.import_block(desk.a[3])
    assert finals(desk.import_block(desk.a[4])) == [desk.a[4]]
    assert desk.voter.statistics().waiting_commits == 0


def test_only_so_many_commits_wait() -> None:
    desk = Desk(known=3)
    for number in range(1, COMMITS_MAX + 5):
        votes = [precommit(who, desk.a[6], number) for who in (1, 2, 3)]
        desk.hear(commit_of(desk.a[6], votes, number))
    assert desk.voter.statistics().waiting_commits == COMMITS_MAX


def test_a_commit_against_what_is_final_is_reported_and_not_obeyed() -> None:
    # More than a third misbehaves: the same voters commit to both forks.
    desk = Desk()
    for block in desk.b[2:]:
        desk.import_block(block)
    desk.hear(commit_of(desk.a[3], [precommit(who, desk.a[3]) for who in (1, 2, 3)]))
    orders = desk.hear(commit_of(desk.b[4], [precommit(who, desk.b[4]) for who in (1, 2, 3)]))
    conflicts = [order for order in orders if isinstance(order, Conflict)]
    assert [(found.finalized, found.block) for found in conflicts] == [(desk.a[3], desk.b[4])]
    assert finals(orders) == []
    assert desk.voter.statistics().finalized == desk.a[3]


def of_another_history(desk: Desk, number: int = 3) -> CommitMessage:
    """A commit of the same voters for a block that was never imported here."""
    block = desk.b[number]
    return commit_of(block, [precommit(who, block) for who in (1, 2, 3)])


def test_a_commit_for_a_history_that_was_never_imported_is_a_conflict_with_its_proof() -> None:
    # A partition: more than a third voted on both sides, and neither side has the other's blocks.
    desk = Desk()
    desk.play_round(1, desk.a[5])
    orders = desk.hear(of_another_history(desk))
    conflicts = [order for order in orders if isinstance(order, Conflict)]
    assert [(found.finalized, found.block) for found in conflicts] == [(desk.a[5], desk.b[3])]
    proof = GrandpaJustification.decode(conflicts[0].justification.encode())
    verify_justification(proof, [key for key, _ in authorities(4)], 0)
    assert desk.voter.statistics().finalized == desk.a[5]


@pytest.mark.parametrize("lie", ["few", "forged", "another set"])
def test_who_claims_another_history_without_its_votes_is_at_fault(lie: str) -> None:
    desk = Desk()
    desk.play_round(1, desk.a[5])
    votes = [precommit(who, desk.b[3]) for who in (1, 2, 3)]
    if lie == "few":
        votes = votes[:2]
    elif lie == "forged":
        votes[0] = replace(votes[0], signature=votes[1].signature)
    else:
        votes = [precommit(who, desk.b[3], number=2) for who in (1, 2, 3)]
    orders = desk.hear(commit_of(desk.b[3], votes))
    assert offences(orders) == [Offence.BAD_COMMIT]
    assert not any(isinstance(order, Conflict) for order in orders)


def test_old_commits_for_what_is_final_and_votes_for_blocks_above_are_no_conflict() -> None:
    desk = Desk()
    desk.play_round(1, desk.a[5])
    for block, votes in (
        (desk.a[3], [precommit(who, desk.a[3]) for who in (1, 2, 3)]),
        (desk.b[2], [precommit(who, desk.b[3]) for who in (1, 2, 3)]),
    ):
        assert desk.hear(commit_of(block, votes)) == []


def test_a_peer_whose_finality_is_of_unknown_blocks_is_told_ours_now_and_then() -> None:
    desk = Desk(known=4)
    desk.play_round(1, desk.a[2])
    assert finals(desk.hear(of_another_history(desk))) == []
    for _ in range(3):
        orders = desk.hear(of_another_history(desk, 4)) + desk.hear(of_another_history(desk, 4))
        told = [order.message for order in orders if isinstance(order, Send)]
        assert [message.commit.target_hash for message in told] == [desk.a[2].hash]
        assert desk.hear(of_another_history(desk, 4)) == []
        desk.tick(11 * T)


def test_commits_of_a_peer_that_left_wait_and_tell_it_nothing() -> None:
    desk = Desk(known=4)
    desk.play_round(1, desk.a[2])
    for number in (3, 4):
        desk.hear(of_another_history(desk, number))
    desk.voter.receive(PeerLeft(PEER), desk.now)
    desk.orders()
    assert not any(isinstance(order, Send) for order in desk.import_block(desk.a[4]))
    assert desk.voter.statistics().waiting_commits == 2


def test_a_voter_that_begins_anew_still_tells_what_its_last_round_finalized() -> None:
    desk = Desk()
    desk.play_round(1, desk.a[5])
    again = Desk(record=desk.record, final=5)
    sent = [order.message for order in again.hear(neighbour(1, 2)) if isinstance(order, Send)]
    told = [message for message in sent if isinstance(message, CommitMessage)]
    assert [message.commit.target_hash for message in told] == [desk.a[5].hash]


def test_what_is_final_elsewhere_is_not_finalized_again() -> None:
    desk = Desk()
    desk.voter.receive(FinalizedElsewhere(desk.a[4]), desk.now)
    votes = [precommit(who, desk.a[3]) for who in (1, 2, 3)]
    assert finals(desk.hear(commit_of(desk.a[3], votes))) == []
    votes = [precommit(who, desk.a[5]) for who in (1, 2, 3)]
    assert finals(desk.hear(commit_of(desk.a[5], votes))) == [desk.a[5]]


# Neighbours.


def completed(desk: Desk, number: int, block: Block) -> CatchUpMessage:
    """The state of a round as an honest peer has it."""
    other = Desk(who=1)
    other.play_round(1, block)
    answer = other.hear(CatchUpRequest(round=U64(1), set_id=U64(0)))
    messages = [
        order.message
        for order in answer
        if isinstance(order, Send) and isinstance(order.message, CatchUpMessage)
    ]
    assert len(messages) == 1
    assert messages[0].catch_up.round == number
    return messages[0]


def test_a_peer_that_is_ahead_is_asked_and_its_answer_is_taken() -> None:
    desk = Desk()
    answer = completed(desk, 1, desk.a[5])
    orders = desk.hear(neighbour(3, 0))
    assert Send(PEER, CatchUpRequest(round=U64(1), set_id=U64(0))) in orders
    orders = desk.hear(answer)
    assert offences(orders) == []
    assert finals(orders) == [desk.a[5]]
    assert desk.voter.statistics().round == 2


def test_a_state_of_a_round_is_taken_over_as_soon_as_its_blocks_are_here() -> None:
    desk = Desk(known=4)
    answer = completed(desk, 1, desk.a[5])
    desk.hear(neighbour(3, 0))
    assert Fetch(PEER, desk.a[5]) in desk.hear(answer)
    assert desk.voter.statistics().round == 1
    assert finals(desk.import_block(desk.a[4])) == []
    assert finals(desk.import_block(desk.a[5])) == [desk.a[5]]
    assert desk.voter.statistics().round == 2


def test_a_state_that_waited_in_vain_is_forgotten_when_another_comes() -> None:
    desk = Desk(known=4)
    early = completed(desk, 1, desk.a[5])
    desk.hear(neighbour(3, 0))
    desk.hear(early)
    desk.tick(40 * T)
    desk.hear(neighbour(3, 0), "other")
    desk.hear(completed(desk, 1, desk.a[3]), "other")
    assert desk.voter.statistics().round == 2
    for block in desk.a[4:6]:
        assert offences(desk.import_block(block)) == []
    assert desk.voter.statistics().round == 2


def test_a_peer_one_round_ahead_is_asked_only_when_we_are_stuck() -> None:
    desk = Desk()
    desk.tick(1)
    assert desk.hear(neighbour(2, 0)) == []
    desk.tick(9 * T)  # it votes: only now there is something to wait for
    assert desk.hear(neighbour(2, 0)) == []
    desk.tick(10 * T)
    orders = desk.hear(neighbour(2, 0))
    assert any(isinstance(order, Send) for order in orders)
    assert not any(isinstance(order, Send) for order in desk.hear(neighbour(2, 0), "other"))


def test_a_liar_that_claims_to_be_ahead_does_not_keep_us_from_asking_others() -> None:
    desk = Desk()
    answer = completed(desk, 1, desk.a[5])
    for _ in range(40):
        desk.tick(T)
        desk.hear(neighbour(2**63, 0), "liar")
        orders = desk.hear(neighbour(3, 0), "honest")
        if any(isinstance(order, Send) for order in orders):
            desk.hear(answer, "honest")
            break
    assert desk.voter.statistics().round >= 2


def test_late_answers_accuse_nobody() -> None:
    desk = Desk()
    answer = completed(desk, 1, desk.a[5])
    asked = 0
    for _ in range(100):
        desk.tick(T)
        orders = desk.hear(neighbour(3, 0))
        asked += sum(isinstance(order, Send) for order in orders)
    assert asked > 1
    assert [offences(desk.hear(answer)) for _ in range(asked)] == [[]] * asked
    assert offences(desk.hear(answer)) == [Offence.UNASKED_CATCH_UP]


def test_a_state_of_a_round_that_nobody_asked_for_accuses_the_sender() -> None:
    desk = Desk()
    assert offences(desk.hear(completed(desk, 1, desk.a[5]))) == [Offence.UNASKED_CATCH_UP]
    assert desk.voter.statistics().round == 1


def test_a_state_of_a_round_that_proves_nothing_accuses_the_sender() -> None:
    good = completed(Desk(), 1, Desk().a[5]).catch_up
    for catch_up in (
        replace(good, prevotes=good.prevotes[:2]),
        replace(good, precommits=good.precommits[:2]),
        replace(good, prevotes=good.prevotes + good.prevotes),
        replace(good, prevotes=good.prevotes * 5),
        replace(good, round=U64(9)),
        replace(good, base_number=BlockNumber(1)),
        replace(good, base_hash=Hash(Desk().a[5].hash), base_number=BlockNumber(4)),
    ):
        desk = Desk()
        desk.hear(neighbour(30, 0))
        message = CatchUpMessage(set_id=U64(0), catch_up=catch_up)
        assert offences(desk.hear(message)) == [Offence.BAD_CATCH_UP]
        assert desk.voter.statistics().round == 1


def test_a_vote_with_a_wrong_height_in_a_state_of_a_round_is_taken_and_not_passed_on() -> None:
    """A traitor signs the hash of a block to come, at a height that is final already."""
    desk = Desk(known=5)
    desk.voter.receive(FinalizedElsewhere(desk.a[2]), desk.now)
    desk.view.finalize(desk.a[2])
    honest = completed(Desk(), 1, desk.a[4]).catch_up
    wrong = Block(desk.a[5].hash, 1)
    key = pairs(4)[3].public
    votes = tuple(vote for vote in honest.precommits if bytes(vote.authority) != key)
    assert len(votes) == 2
    catch_up = replace(honest, precommits=(*votes, precommit(3, wrong)))
    desk.hear(neighbour(3, 0))
    orders = desk.hear(CatchUpMessage(set_id=U64(0), catch_up=catch_up))
    assert offences(orders) == []
    assert desk.voter.statistics().round == 2
    told = []
    for _ in range(40):
        told += desk.tick(T)
    heard = [
        order.message.signed.vote.block
        for order in told
        if isinstance(order, Broadcast) and isinstance(order.message, VoteMessage)
    ]
    assert desk.a[4] in heard
    assert wrong not in heard
    orders = desk.import_block(desk.a[5])
    orders += desk.play_round(2, desk.a[5])
    assert finals(orders) == [desk.a[4], desk.a[5]]
    assert not any(isinstance(order, Conflict) for order in orders)


def test_a_state_of_a_round_upon_unknown_blocks_is_left_for_later() -> None:
    desk = Desk(known=2)
    desk.hear(neighbour(3, 0))
    orders = desk.hear(completed(desk, 1, desk.a[5]))
    assert any(isinstance(order, Fetch) for order in orders)
    assert offences(orders) == []
    assert desk.voter.statistics().round == 1


def test_states_of_rounds_are_not_sent_again_and_again() -> None:
    desk = Desk()
    request = CatchUpRequest(round=U64(1), set_id=U64(0))
    assert not any(isinstance(order, Send) for order in desk.hear(request))  # no round is done
    desk.play_round(1, desk.a[5])
    sent = [order for _ in range(50) for order in desk.hear(request) if isinstance(order, Send)]
    assert len(sent) == 1
    desk.now += 10 * T
    assert any(isinstance(order, Send) for order in desk.hear(request))
    ahead = CatchUpRequest(round=U64(2), set_id=U64(0))
    assert not any(isinstance(order, Send) for order in desk.hear(ahead, "other"))


def test_a_peer_that_is_behind_gets_the_last_commit() -> None:
    desk = Desk()
    desk.play_round(1, desk.a[5])
    orders = desk.hear(neighbour(1, 2))
    sent = [order.message for order in orders if isinstance(order, Send)]
    assert [type(message) for message in sent] == [CommitMessage, NeighbourMessage]
    assert not any(isinstance(order, Send) for order in desk.hear(neighbour(1, 2)))
    assert not any(isinstance(order, Send) for order in desk.hear(neighbour(2, 5), "other"))


def test_a_peer_in_an_earlier_round_is_told_where_we_stand_but_not_again_and_again() -> None:
    desk = Desk()
    desk.play_round(1, desk.a[5])
    told = Send("slow", desk.voter.neighbour())
    for _ in range(2):
        heard = [order for _ in range(5) for order in desk.hear(neighbour(1, 5), "slow")]
        assert heard.count(told) == 1
        desk.now += 10 * T


def stances(orders: Iterable[Effect]) -> list[NeighbourMessage]:
    return [
        order.message
        for order in orders
        if isinstance(order, Broadcast) and isinstance(order.message, NeighbourMessage)
    ]


def test_where_we_stand_is_told_when_a_round_begins() -> None:
    desk = Desk()
    assert stances(desk.first) == [neighbour(1, 0)]
    assert stances(desk.play_round(1, desk.a[5])) == [neighbour(2, 5)]


def test_what_we_said_is_repeated_from_some_time_after_the_first_vote() -> None:
    desk = Desk()
    for step in range(1, 34):
        orders = desk.tick(T)
        is_repeated = step in (12, 22, 32)  # the prevote is cast after 2 T
        assert len(stances(orders)) == is_repeated, step
        assert len(votes_in(orders, desk)) == (is_repeated or step == 2), step


def test_while_nobody_votes_there_is_nothing_to_repeat() -> None:
    desk = Desk(known=1, timing=Timing(gossip_ms=T, repeat_ms=10 * T, idle_ms=50 * T))
    assert [order for _ in range(51) for order in desk.tick(T)] == []
    assert votes_in(desk.tick(T), desk) == [(PREVOTE, desk.a[0])]
    watching = Desk(who=0, signs=False)  # nobody votes though there are blocks: something is wrong
    orders = [order for _ in range(33) for order in watching.tick(T)]
    assert stances(orders) == [neighbour(1, 0)] * 2


def test_in_a_stuck_round_the_votes_of_others_are_repeated() -> None:
    desk = Desk()
    message = ballot(PREVOTE, 1, desk.a[3])
    desk.hear(message)
    heard = [order for _ in range(40) for order in desk.tick(T)]
    assert Broadcast(message) in heard
    # Those of the round before too: another voter's estimate may lack one of them.
    desk = Desk()
    desk.play_round(1, desk.a[5])
    late = ballot(PRECOMMIT, 3, desk.a[4])
    desk.hear(late)
    heard = [order for _ in range(40) for order in desk.tick(T)]
    assert Broadcast(late) in heard


# Sets.


def test_a_new_set_begins_with_its_first_round() -> None:
    desk = Desk()
    desk.play_round(1, desk.a[5])
    later = authorities(6)[2:]
    desk.voter.receive(AuthoritiesChanged(later, 1, desk.a[5]), desk.now)
    orders = desk.orders()
    assert [order.record.set_id for order in orders if isinstance(order, Persist)] == [1]
    assert (desk.voter.statistics().set_id, desk.voter.statistics().round) == (1, 1)
    # We are no member any more.
    assert votes_in(desk.tick(5 * T), desk) == []
    assert offences(desk.hear(ballot(PREVOTE, 1, desk.a[5], 1, 1))) == [Offence.NOT_A_VOTER]
    desk.hear(ballot(PREVOTE, 4, desk.a[5], 1, 1))
    assert desk.voter.statistics().prevote_weight == 1


def test_an_older_set_is_not_returned_to() -> None:
    desk = Desk()
    desk.voter.receive(AuthoritiesChanged(authorities(6)[2:], 1, desk.a[5]), desk.now)
    desk.voter.receive(AuthoritiesChanged(authorities(4), 0, desk.a[5]), desk.now)
    assert desk.voter.statistics().set_id == 1


def test_a_peer_in_the_last_set_gets_the_commit_that_ended_it() -> None:
    desk = Desk()
    desk.play_round(1, desk.a[5])
    desk.voter.receive(AuthoritiesChanged(authorities(6)[2:], 1, desk.a[5]), desk.now)
    desk.orders()
    orders = desk.hear(neighbour(9, 2, 0))
    sent = [order.message for order in orders if isinstance(order, Send)]
    assert [type(message) for message in sent] == [CommitMessage]


def test_a_signer_of_another_scheme_is_a_bug() -> None:
    desk = Desk()
    with pytest.raises(AssertionError):
        Voter(
            desk.view,
            authorities(4),
            0,
            desk.a[0],
            KeyPair.from_seed(b"\1" * 32),
            now_ms=0,
        )
