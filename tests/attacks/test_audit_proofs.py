"""Attacks on the service proof: every way to answer without the bytes, or with the wrong ones."""

import random

import pytest
from py_arkworks_bls12381 import G1Point, Scalar

from pallets.audit import Audit, FaultKind
from pallets.audit.judging import asked_rows, is_proved
from pallets.frame.testing import GENESIS_HASH
from primitives.hashing import blake2_256
from primitives.scale import U32
from primitives.types import Bytes48
from proofs.podr2 import challenge
from proofs.podr2.params import SCALAR_MODULUS
from proofs.podr2.prove import prove
from proofs.podr2.verify import IDENTITY
from proofs.podr2.wire import ScalarBytes, ServiceProof
from tests.attacks.points import BAD_POINTS
from tests.pallets.file_bank.conservation import check
from tests.pallets.file_bank.storage_world import (
    ALICE,
    BOB,
    MINERS,
    SERVICE_DEADLINE,
    World,
    commitment_to,
    made_file,
    twin_file,
)

FILE = made_file("a")
MINER = MINERS[0]


def verdict(world, who=MINER):
    """How the last answer of a miner ended."""
    faults = [event.kind for event in world.events(Audit.Fault) if event.miner == who]
    accepted = [e for e in world.events(Audit.ServiceProofAccepted) if e.miner == who]
    world.chain.clear_events()
    assert len(faults) + len(accepted) == 1
    return faults[0] if faults else "accepted"


def scalar(value: int) -> ScalarBytes:
    return ScalarBytes((value % SCALAR_MODULUS).to_bytes(32, "big"))


@pytest.fixture
def asked():
    """Twelve miners without plots hold Alice's file; the first one has an open round."""
    world = World(miners=12)
    world.store(ALICE, FILE)
    for who in MINERS[:12]:
        world.remove_plots(who)
    world.begin_round(MINER)
    world.chain.clear_events()
    return world


@pytest.fixture
def real(random_file):
    """The same with random bytes and real KZG proofs."""
    world = World(miners=12)
    random_file.store(world)
    for who in MINERS[:12]:
        world.remove_plots(who)
    world.begin_round(MINER)
    world.chain.clear_events()
    return world


def test_the_honest_answer_is_accepted(asked, real, random_file):
    asked.prove(MINER, FILE)
    assert verdict(asked) == "accepted"
    real.submit(MINER, random_file.prove(real, MINER))
    assert verdict(real) == "accepted"


def test_a_proof_of_an_older_round_is_rejected(real, random_file):
    old = random_file.prove(real, MINER)
    real.submit(MINER, old)
    assert verdict(real) == "accepted"
    real.go()
    real.begin_round(MINER)
    real.submit(MINER, old)
    assert verdict(real) == FaultKind.ServiceRejected


def test_the_proof_of_another_round_of_the_same_block_is_rejected(real, random_file):
    """Even two rounds that begin in one block have different seeds."""
    old = random_file.prove(real, MINER)
    real.submit(MINER, old)
    verdict(real)
    real.begin_round(MINER)
    real.submit(MINER, old)
    assert verdict(real) == FaultKind.ServiceRejected


def test_the_proof_of_another_miner_with_the_same_bytes_is_rejected():
    """Two miners hold the same fragment; one asks the other to answer for both."""
    world = World(miners=12)
    world.store(ALICE, FILE)
    world.store(BOB, twin_file(FILE, "twin"))
    for who in MINERS[:12]:
        world.remove_plots(who)
    hashes = {
        who: {world.audit.holdings[who, slot].fragment_hash for _, slot in slots_of(world, who)}
        for who in MINERS[:12]
    }
    pairs = [(a, b) for a in hashes for b in hashes if a != b and hashes[a] & hashes[b]]
    first, second = pairs[0]
    for who in (first, second):
        world.begin_round(who)
    world.chain.clear_events()
    proof = world.proof(first, FILE.values)
    world.submit(second, proof)
    assert verdict(world, second) == FaultKind.ServiceRejected
    world.submit(first, proof)
    assert verdict(world, first) == "accepted"


def slots_of(world, who):
    return [keys for keys in world.audit.holdings.keys(limit=999) if keys[0] == who]


def test_a_proof_for_another_chain_is_rejected(real, random_file):
    """Everything is equal, the randomness too, but for the hash of block 0."""
    info = real.audit.challenge_snap_shot[MINER]
    randomness = real.runtime.beacon.random(b"cess/audit-round/v1" + MINER)
    start = int(info.start)
    assert challenge.round_seed(GENESIS_HASH, start, randomness, MINER, 1) == info.seed
    seed = challenge.round_seed(blake2_256(b"other chain"), start, randomness, MINER, 1)
    position = next(p for p in range(12) if real.holder(random_file.made, 0, p) == MINER)
    proof = prove(
        [random_file.fragments[position]],
        challenge.coefficients(seed, 1),
        challenge.evaluation_point(seed),
    )
    real.submit(MINER, proof)
    assert verdict(real) == FaultKind.ServiceRejected


def test_the_proof_of_another_fragment_is_rejected(real, random_file):
    info = real.audit.challenge_snap_shot[MINER]
    position = next(p for p in range(12) if real.holder(random_file.made, 0, p) == MINER)
    wrong = random_file.fragments[(position + 1) % 12]
    proof = prove(
        [wrong], challenge.coefficients(info.seed, 1), challenge.evaluation_point(info.seed)
    )
    real.submit(MINER, proof)
    assert verdict(real) == FaultKind.ServiceRejected


def test_one_flipped_bit_of_the_bytes_is_enough(real, random_file):
    info = real.audit.challenge_snap_shot[MINER]
    position = next(p for p in range(12) if real.holder(random_file.made, 0, p) == MINER)
    rotten = bytearray(random_file.fragments[position])
    rotten[70_000] ^= 1
    proof = prove(
        [rotten], challenge.coefficients(info.seed, 1), challenge.evaluation_point(info.seed)
    )
    real.submit(MINER, proof)
    assert verdict(real) == FaultKind.ServiceRejected


@pytest.mark.parametrize("change", [1, -1, 2**128, SCALAR_MODULUS // 2])
def test_a_wrong_value_is_rejected(real, random_file, change):
    proof = random_file.prove(real, MINER)
    y = int.from_bytes(proof.y, "big")
    real.submit(MINER, ServiceProof(y=scalar(y + change), proof=proof.proof))
    assert verdict(real) == FaultKind.ServiceRejected


def test_the_value_has_one_encoding(asked):
    """y + r is the same number of the field, and refused."""
    proof = asked.proof(MINER, FILE.values)
    y = int.from_bytes(proof.y, "big") + SCALAR_MODULUS
    asked.submit(MINER, ServiceProof(y=ScalarBytes(y.to_bytes(32, "big")), proof=proof.proof))
    assert verdict(asked) == FaultKind.ServiceRejected


@pytest.mark.parametrize("kind", sorted(BAD_POINTS))
def test_a_proof_that_is_no_point_is_a_fault_and_no_crash(asked, kind):
    proof = asked.proof(MINER, FILE.values)
    asked.submit(MINER, ServiceProof(y=proof.y, proof=Bytes48(BAD_POINTS[kind])))
    assert verdict(asked) == FaultKind.ServiceRejected
    check(asked)


def test_infinity_opens_only_constants(real, random_file):
    """The trivial proof of the zero polynomial is none of real bytes."""
    for y in (0, int.from_bytes(random_file.prove(real, MINER).y, "big")):
        real.submit(MINER, ServiceProof(y=scalar(y), proof=Bytes48(IDENTITY)))
        assert verdict(real) == FaultKind.ServiceRejected
        real.begin_round(MINER)
        real.chain.clear_events()


def test_random_answers_are_rejected(asked):
    """Two hundred made-up answers on the curve, each to a round of its own miner's."""
    choose = random.Random(5)
    info = asked.audit.challenge_snap_shot[MINER]
    rows = asked_rows(asked.audit, MINER, info, [0], 1)
    for _ in range(200):
        point = G1Point() * Scalar(choose.randrange(1, 2**64))
        guess = ServiceProof(
            y=scalar(choose.randrange(SCALAR_MODULUS)),
            proof=Bytes48(bytes(point.to_compressed_bytes())),
        )
        assert not is_proved(info, rows, [0], guess)


def test_the_verdict_does_not_depend_on_who_verified_before(asked):
    """Decoded points are cached; a bad one is bad the second time as well."""
    bad = ServiceProof(y=scalar(0), proof=Bytes48(BAD_POINTS["outside the subgroup"]))
    for _ in range(2):
        asked.submit(MINER, bad)
        assert verdict(asked) == FaultKind.ServiceRejected
        asked.begin_round(MINER)
        asked.chain.clear_events()


# Lost data.


def holding_five(lost: int):
    """A miner with five fragments that has lost one."""
    files = [made_file(str(number)) for number in range(5)]
    world = World(miners=12)
    for file in files:
        world.store(ALICE, file)
    for who in MINERS[:12]:
        world.remove_plots(who)
    values = {key: value for file in files for key, value in file.values.items()}
    world.begin_round(MINER)
    world.chain.clear_events()
    index = next(i for i, slot in world.asked(MINER).items() if slot == lost)
    return world, values, index


def test_with_one_fragment_of_five_missing_there_is_no_proof():
    world, values, index = holding_five(3)
    partial = world.proof(MINER, values, [index])
    world.submit(MINER, partial)
    assert verdict(world) == FaultKind.ServiceRejected


def test_zeros_in_place_of_a_lost_fragment_prove_nothing():
    world, values, _ = holding_five(3)
    lost = world.audit.holdings[MINER, U32(3)]
    world.submit(MINER, world.proof(MINER, {**values, lost.fragment_hash: 0}))
    assert verdict(world) == FaultKind.ServiceRejected


def test_naming_another_fragment_than_the_lost_one_does_not_help():
    world, values, index = holding_five(3)
    other = next(i for i in world.asked(MINER) if i != index)
    world.submit(MINER, world.proof(MINER, values, [index]), faulty=[other])
    assert verdict(world) == FaultKind.ServiceRejected
    assert not world.bank.restoral_order.keys(limit=1), "a rejected answer declares nothing"


def test_naming_the_lost_one_is_honest_and_not_paid():
    world, values, index = holding_five(3)
    world.submit(MINER, world.proof(MINER, values, [index]), faulty=[index])
    assert verdict(world) == FaultKind.ServiceDeclared
    assert len(world.bank.restoral_order.keys(limit=9)) == 1
    check(world)


def test_a_full_proof_beside_a_declared_loss_is_rejected():
    """The coefficients belong to positions: what is left out must be left out."""
    world, values, index = holding_five(3)
    world.submit(MINER, world.proof(MINER, values), faulty=[index])
    assert verdict(world) == FaultKind.ServiceRejected


def test_a_withheld_answer_is_a_fault_by_default(asked):
    asked.go(SERVICE_DEADLINE + 1)
    assert verdict(asked) == FaultKind.ServiceMissed
    record = asked.runtime.cess_treasury.power_record.get(MINER)
    assert record is None or record.power == 0


# Commitments that were chosen badly.


def test_a_miner_does_not_exchange_its_commitments():
    """What was co-signed stays: a right proof for other commitments is none."""
    world = World(miners=12)
    world.store(ALICE, FILE)
    world.remove_plots(MINER)
    info = world.begin_round(MINER)
    world.chain.clear_events()
    weight = challenge.coefficients(info.seed, 1)[0]
    own_choice = 5
    assert commitment_to(own_choice)
    world.submit(MINER, ServiceProof(y=scalar(weight * own_choice), proof=Bytes48(IDENTITY)))
    assert verdict(world) == FaultKind.ServiceRejected
