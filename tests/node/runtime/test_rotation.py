"""A new validator from its keystore to its first block, in the whole runtime, by every engine."""

from pathlib import Path

import pytest

from node.consensus.authorities import epoch_for, voters_of
from node.consensus.slots import claim_slot
from node.runtime import CessRuntime, apis, babe_report, grandpa_report, runtime_at
from node.runtime.apis import BabeOwnershipProof, GrandpaOwnershipProof
from pallets.babe.types import Epoch
from pallets.frame.executive import Executive
from pallets.frame.validity import (
    CallNotExpected,
    TransactionInvalid,
    TransactionSource,
)
from pallets.offences import Kind, Offences
from pallets.session import Session, SessionKeys, prove_possession
from pallets.staking.types import PayStash, ValidatorPrefs
from primitives.crypto.keys import KeyPair
from primitives.digest import (
    BABE_ENGINE,
    GRANDPA_ENGINE,
    AuthorityKey,
    BabeConsensusLog,
    BabePreDigest,
    Digest,
    GrandpaConsensusLog,
    GrandpaScheduledChange,
    NextEpochData,
    PreRuntime,
)
from primitives.equivocation import (
    BabeEquivocationProof,
    GrandpaEquivocationProof,
    MembershipProof,
)
from primitives.errors import DecodeError
from primitives.extrinsic import UncheckedExtrinsic
from primitives.header import Header
from primitives.justification import (
    InvalidJustification,
    make_justification,
    verify_justification,
)
from primitives.keystore import Keystore
from primitives.scale import U32, U64, decode, encode
from primitives.types import Balance
from tests.node.runtime.chain import Chain, pair
from tests.pallets.equivocations import double_block, double_vote
from tests.pallets.small_chains import Elector

BOB = pair("Bob").account_id


class Rotating(Chain):
    """A chain whose sessions a test elects, and that claims slots with several keys."""

    def __init__(self) -> None:
        super().__init__()
        self.elector: Elector | None = Elector()
        self.authors = [pair("Alice")]

    def now(self) -> CessRuntime:
        runtime = runtime_at(self.state)
        if self.elector is None:
            return runtime
        given = {**vars(runtime.session.config), "manager": self.elector}
        runtime.session.config = Session.Config(**given)
        return runtime

    def ask(self, method: str, params: bytes = b"") -> bytes:
        return apis(self.now()).call(method, params)

    def pre_digest(self, slot: int) -> Digest:
        claim = claim_slot(slot, epoch_for(self.now(), slot), self.authors)
        assert claim is not None, "because the keys of all authorities are here"
        return Digest((PreRuntime(BABE_ENGINE, encode(BabePreDigest, claim.pre_digest)),))

    def session(self) -> int:
        return int(self.now().session.current_index.get())

    def next_session(self) -> Header:
        """The first block of the next session."""
        babe = self.now().babe
        begin = int(babe.current_epoch_start()) + int(babe.config.epoch_duration)
        self.slot = max(self.slot, begin)
        self.block()
        return self.head


def told(header: Header) -> tuple[list[BabeConsensusLog], list[GrandpaConsensusLog]]:
    digest = header.digest
    return (
        [decode(BabeConsensusLog, data) for data in digest.consensus(BABE_ENGINE)],
        [decode(GrandpaConsensusLog, data) for data in digest.consensus(GRANDPA_ENGINE)],
    )


@pytest.fixture
def chain() -> Rotating:
    made = Rotating()
    made.block()
    return made


def test_a_new_validator_rotates_its_keys_is_elected_and_all_engines_follow(
    chain: Rotating, tmp_path: Path
) -> None:
    keystore = Keystore(tmp_path / "keys")
    babe = keystore.pair(b"babe", keystore.generate(b"babe", "sr25519"))
    gran = keystore.pair(b"gran", keystore.generate(b"gran", "ed25519"))
    assert babe is not None
    assert gran is not None
    keys = SessionKeys(babe=AuthorityKey(babe.public), grandpa=AuthorityKey(gran.public))
    proof = prove_possession(BOB, babe, gran)
    chain.block(chain.sign("Bob", chain.call("Session", "set_keys", keys=keys, proof=proof)))
    assert chain.now().session.keys_of(BOB) == keys

    (alice,) = chain.now().session.validators.get()
    old_voters = voters_of(chain.now())
    assert chain.elector is not None
    chain.elector.answers[chain.session() + 2] = (alice, BOB)
    announcing = chain.next_session()
    (epoch,), changes = told(announcing)
    assert isinstance(epoch, NextEpochData)
    assert [bytes(key) for key, _ in epoch.authorities][1] == babe.public
    assert changes == []
    assert voters_of(chain.now()) == old_voters

    changing = chain.next_session()
    _, (change,) = told(changing)
    assert isinstance(change, GrandpaScheduledChange)
    assert change.change.delay == 0
    assert [bytes(key) for key, _ in change.change.next_authorities][1] == gran.public
    new_voters = voters_of(chain.now())
    assert new_voters.set_id == old_voters.set_id + 1 == 1
    assert chain.now().session.validators.get() == (alice, BOB)

    # The block that changes the voters is finalized by the old ones, and by nobody else.
    old = KeyPair.from_suri("//Alice", "ed25519")
    height = int(changing.number)
    just = make_justification(changing.hash(), height, 1, old_voters.set_id, [old])
    verify_justification(just, [key for key, _ in old_voters.authorities], old_voters.set_id)
    with pytest.raises(InvalidJustification):
        verify_justification(just, [key for key, _ in new_voters.authorities], new_voters.set_id)

    chain.authors.append(babe)
    authors = set()
    for _ in range(12):
        chain.block()
        data = chain.head.digest.pre_runtime(BABE_ENGINE)
        assert data is not None
        authors.add(decode(BabePreDigest, data).author)
    assert authors == {0, 1}


def test_staking_itself_elects_who_bonds_sets_keys_and_stands(chain: Rotating) -> None:
    chain.elector = None
    pairs = pair("Bob"), KeyPair.from_suri("//Bob", "ed25519")
    keys = SessionKeys(babe=AuthorityKey(pairs[0].public), grandpa=AuthorityKey(pairs[1].public))
    least = chain.now().staking.min_validator_bond.get()
    for call in (
        chain.call("Staking", "bond", value=Balance(2 * least), payee=PayStash()),
        chain.call("Session", "set_keys", keys=keys, proof=prove_possession(BOB, *pairs)),
        chain.call("Staking", "validate", prefs=ValidatorPrefs(commission=U32(0), blocked=False)),
    ):
        chain.block(chain.sign("Bob", call))
    chain.authors.append(pairs[0])
    for _ in range(3 * int(chain.now().constants.epochs_per_era)):
        header = chain.next_session()
        if BOB in chain.now().session.validators.get():
            break
    assert BOB in chain.now().session.validators.get()
    (change,) = told(header)[1]
    assert isinstance(change, GrandpaScheduledChange)
    assert bytes(pairs[1].public) in [bytes(key) for key, _ in change.change.next_authorities]
    assert voters_of(chain.now()).set_id == 1


def test_an_offender_loses_stake_and_its_seat(chain: Rotating) -> None:
    chain.elector = None
    (alice,) = chain.now().session.validators.get()
    proof, owner = babe_case(chain)
    before = int(chain.now().staking.ledger[alice].active)
    chain.block(babe_report(chain.now(), proof, decode(MembershipProof, owner.data)))
    pending = chain.now().staking.unapplied_slashes.keys(limit=5)
    active = int(chain.now().staking.ledger[alice].active)
    assert active < before or pending, "the stake is taken now or after the time to appeal"
    # The last validator stays: a chain without one would stand still.
    assert chain.now().session.validators.get() == (alice,)
    chain.next_session()


def test_the_apis_tell_what_was_announced(chain: Rotating) -> None:
    before = decode(Epoch, chain.ask("BabeApi_next_epoch"))
    chain.next_session()
    after = decode(Epoch, chain.ask("BabeApi_current_epoch"))
    assert after == before
    assert decode(U64, chain.ask("BabeApi_current_epoch_start")) == after.start_slot


# Reports.


def babe_case(chain: Rotating) -> tuple[BabeEquivocationProof, BabeOwnershipProof]:
    """Alice sealed two blocks for the last slot; whose key it was, asked of the API."""
    proof = double_block(pair("Alice"), int(chain.now().babe.current_slot.get()))
    params = encode(U64, proof.slot) + bytes(proof.offender)
    owner = decode(
        BabeOwnershipProof | None,
        chain.ask("BabeApi_generate_key_ownership_proof", params),
    )
    assert owner is not None
    return proof, owner


def grandpa_case(chain: Rotating) -> tuple[GrandpaEquivocationProof, GrandpaOwnershipProof]:
    proof = double_vote(KeyPair.from_suri("//Alice", "ed25519"), 4, 0)
    params = encode(U64, proof.set_id) + bytes(proof.offender)
    owner = decode(
        GrandpaOwnershipProof | None,
        chain.ask("GrandpaApi_generate_key_ownership_proof", params),
    )
    assert owner is not None
    return proof, owner


def test_a_stranger_has_no_key_ownership_proof(chain: Rotating) -> None:
    for method in ("BabeApi", "GrandpaApi"):
        params = encode(U64, U64(0)) + bytes(32)
        assert chain.ask(f"{method}_generate_key_ownership_proof", params) == b"\0"


def test_a_nodes_own_report_is_carried_by_its_block_and_counts(chain: Rotating) -> None:
    proof, owner = babe_case(chain)
    votes, voter = grandpa_case(chain)
    runtime = chain.now()
    reports = (
        babe_report(runtime, proof, decode(MembershipProof, owner.data)),
        grandpa_report(runtime, votes, decode(MembershipProof, voter.data)),
    )
    at = chain.head.hash()
    for ext in reports:
        judge = Executive(chain.now())
        found = judge.examine_transaction(ext, at, TransactionSource.Local)
        assert (found.signer, found.fee, found.validity.propagate) == (None, 0, False)
        with pytest.raises(TransactionInvalid) as caught:
            Executive(chain.now()).examine_transaction(ext, at, TransactionSource.External)
        assert caught.value.reason == CallNotExpected()
    chain.block(*reports)
    kinds = [bytes(event.kind) for event in chain.events() if isinstance(event, Offences.Offence)]
    assert kinds == [b"babe:equivocatio", b"grandpa:equivoca"]
    (details,) = [
        chain.now().offences.reports[name]
        for name in chain.now().offences.reports.keys(limit=5)
        if name in chain.now().offences.concurrent_reports_index[Kind(kinds[0]), bytes(4)]
    ]
    assert details.reporters == (chain.now().session.validator_at(0),)
    for ext in reports:
        with pytest.raises(TransactionInvalid):
            Executive(chain.now()).examine_transaction(
                ext, chain.head.hash(), TransactionSource.Local
            )


def test_a_report_with_any_bit_wrong_is_refused_and_breaks_nothing(chain: Rotating) -> None:
    proof, owner = babe_case(chain)
    votes, voter = grandpa_case(chain)
    runtime, at = chain.now(), chain.head.hash()
    for ext in (
        babe_report(runtime, proof, decode(MembershipProof, owner.data)),
        grandpa_report(runtime, votes, decode(MembershipProof, voter.data)),
    ):
        bare = UncheckedExtrinsic.decode(ext)
        judge = Executive(chain.now())
        taken = []
        for place in range(2, len(bare.call)):  # the first two bytes say which call it is
            wrong = bytearray(bare.call)
            wrong[place] ^= 1 << (place % 8)
            made = UncheckedExtrinsic(signed=None, call=bytes(wrong)).encode()
            try:
                judge.examine_transaction(made, at, TransactionSource.Local)
            except (TransactionInvalid, DecodeError):
                continue
            taken.append(place)
        assert taken == []


def test_a_signed_report_costs_nothing_if_it_is_the_first(chain: Rotating) -> None:
    proof, owner = babe_case(chain)
    call = chain.call(
        "Babe",
        "report_equivocation",
        equivocation_proof=proof,
        key_owner_proof=decode(MembershipProof, owner.data),
    )
    before = chain.now().balances.free(BOB)
    chain.block(chain.sign("Bob", call))
    assert chain.now().balances.free(BOB) == before
    chain.block(chain.sign("Bob", call))
    assert chain.now().balances.free(BOB) < before


def test_only_the_nodes_own_runtime_has_a_pool_to_submit_to(chain: Rotating) -> None:
    proof, owner = babe_case(chain)
    votes, voter = grandpa_case(chain)
    cases = {
        "BabeApi": encode(BabeEquivocationProof, proof) + encode(BabeOwnershipProof, owner),
        "GrandpaApi": encode(GrandpaEquivocationProof, votes)
        + encode(GrandpaOwnershipProof, voter),
    }
    for api, params in cases.items():
        method = f"{api}_submit_report_equivocation_unsigned_extrinsic"
        assert chain.ask(method, params) == b"\0"
        for takes in (True, False):
            taken: list[bytes] = []
            runtime = chain.now()
            runtime.take_unsigned = lambda ext, t=takes, into=taken: into.append(ext) is None and t
            assert apis(runtime).call(method, params) == bytes([takes])
            assert len(taken) == 1
            Executive(chain.now()).examine_transaction(
                taken[0], chain.head.hash(), TransactionSource.Local
            )
    junk = encode(BabeEquivocationProof, proof) + encode(
        BabeOwnershipProof, BabeOwnershipProof(data=b"junk")
    )
    runtime = chain.now()
    runtime.take_unsigned = lambda _ext: True
    method = "BabeApi_submit_report_equivocation_unsigned_extrinsic"
    assert apis(runtime).call(method, junk) == b"\0"


def test_keys_that_no_account_signed_for_come_to_nothing(chain: Rotating) -> None:
    """Mallory sees Bob's call waiting, and sends the same from her account."""
    bob = pair("Bob"), KeyPair.from_suri("//Bob", "ed25519")
    keys = SessionKeys(babe=AuthorityKey(bob[0].public), grandpa=AuthorityKey(bob[1].public))
    call = chain.call("Session", "set_keys", keys=keys, proof=prove_possession(BOB, *bob))
    chain.block(chain.sign("Charlie", call))
    charlie = pair("Charlie").account_id
    assert chain.now().session.keys_of(charlie) is None
    chain.block(chain.sign("Bob", call))
    assert chain.now().session.keys_of(BOB) == keys
