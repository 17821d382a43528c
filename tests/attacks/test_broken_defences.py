"""Every attack is mounted twice: on the defence, where it fails, and on a twin without it.

The twins (``broken``) prove that these tests can fail. An attack returns whether it succeeded; it
makes its own chain, so that nothing of one attempt helps the other.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

from pallets.audit import Audit
from pallets.audit.judging import is_proved
from pallets.file_bank import FileBank, RowCommitments
from pallets.file_bank.types import order_id
from pallets.frame import PalletError
from primitives.errors import ProofRejected
from primitives.types import Bytes48
from proofs.podr2 import challenge
from proofs.podr2.commit import check_transfer, commit_fragment, open_transfer
from proofs.podr2.params import ROW_BYTES, SCALAR_MODULUS
from proofs.podr2.points import checked_points, load_point
from proofs.podr2.verify import IDENTITY, verify_points
from proofs.podr2.wire import ScalarBytes, ServiceProof
from tests.attacks import broken
from tests.attacks.lines import ZEROS, Line, combined, made_proof, opening, random_lines
from tests.attacks.points import BAD_POINTS
from tests.pallets.file_bank.storage_world import (
    ALICE,
    BOB,
    MINERS,
    PLOT,
    SERVICE_DEADLINE,
    World,
    answers_of,
    commitment_to,
    made_file,
    twin_file,
)

FILE = made_file("a")
MINER = MINERS[0]
JUNK = ServiceProof(y=ScalarBytes(bytes(32)), proof=Bytes48(IDENTITY))

Attack = Callable[[], bool]


def without_plots(*files, miners=12):
    world = World(miners=miners)
    for file in files or (FILE,):
        world.store(ALICE, file)
    for who in MINERS[:miners]:
        world.remove_plots(who)
    world.chain.clear_events()
    return world


def accepted(world, who=MINER):
    """Whether the last answer of a miner proved something."""
    found = [e for e in world.events(Audit.ServiceProofAccepted) if e.miner == who and e.rows > 0]
    world.chain.clear_events()
    return bool(found)


# Replays.


def an_answer_of_an_older_round():
    world = without_plots()
    world.begin_round(MINER)
    old = world.proof(MINER, FILE.values)
    world.submit(MINER, old)
    assert accepted(world)
    world.go()
    world.begin_round(MINER)
    world.submit(MINER, old)
    return accepted(world)


def an_answer_of_another_miner():
    """Two miners hold equal fragments, in a round that begins in one block; one of them answers."""
    world = World(miners=12)
    world.store(ALICE, FILE)
    world.store(BOB, twin_file(FILE, "twin"))
    for who in MINERS[:12]:
        world.remove_plots(who)
    held = {
        who: {item.fragment_hash for _, item in world.audit.holdings.prefix(who, limit=9)}
        for who in MINERS[:12]
    }
    first, second = next((a, b) for a in held for b in held if a != b and held[a] & held[b])
    for who in (first, second):
        world.begin_round(who)
    # Only what both hold is asked, so that the twin is not saved by different samples.
    common = next(iter(held[first] & held[second]))
    rows = [checked_points([commitment_to(FILE.values[common])]).point(0)]
    infos = [world.audit.challenge_snap_shot[who] for who in (first, second)]
    weight = challenge.coefficients(infos[0].seed, 1)[0]
    y = weight * FILE.values[common] % SCALAR_MODULUS
    proof = ServiceProof(y=ScalarBytes(y.to_bytes(32, "big")), proof=Bytes48(IDENTITY))
    assert is_proved(infos[0], {0: rows[0]}, [0], proof)
    return is_proved(infos[1], {0: rows[0]}, [0], proof)


# Provers without the rows.


def asks(seed, lines):
    """The verifier's side of a round over rows that are lines."""
    count = len(lines)
    weights, z = challenge.coefficients(seed, count), challenge.evaluation_point(seed)
    kept = checked_points([line.commitment() for line in lines])
    return [load_point(kept.point(row)) for row in range(count)], weights, z


def proves(seed, lines, proof):
    try:
        verify_points(*asks(seed, lines), proof)
    except ProofRejected:
        return False
    return True


def the_sum_of_all_rows_in_place_of_the_rows():
    lines = random_lines(20)
    kept = combined(lines, [1] * 20)
    seed = bytes([1]) * 32
    z = challenge.evaluation_point(seed)
    return proves(seed, lines, made_proof(kept.at(z), kept.quotient()))


def values_and_quotients_of_one_point_in_place_of_the_rows():
    """80 bytes for each row are left, from the round of which the miner knows z."""
    lines = random_lines(20)
    first, later = bytes([2]) * 32, bytes([3]) * 32
    z = challenge.evaluation_point(first)
    kept = [(line.at(z), line.quotient()) for line in lines]
    weights = challenge.coefficients(later, 20)
    y = sum(weight * value for weight, (value, _) in zip(weights, kept, strict=True))
    weighed = combined([Line(0, line.b) for line in lines], weights).quotient()
    return proves(later, lines, made_proof(y, weighed))


def one_row_for_two():
    """Two sampled rows differ; the miner has one of them and answers with it twice."""
    one, other = random_lines(2)
    seed = bytes([4]) * 32
    weights, z = challenge.coefficients(seed, 2), challenge.evaluation_point(seed)
    return proves(seed, [one, other], opening([one, one], weights, z))


def half_of_the_rows():
    """Half of 1,000 rows are gone; zeros stand in for them in twenty rounds of 60 rows."""
    lines = random_lines(1000)
    for number in range(20):
        seed = number.to_bytes(32, "big")
        drawn = challenge.sample_positions(seed, 1000, 60)
        asked = [lines[position] for position in drawn]
        had = [lines[position] if position < 500 else ZEROS for position in drawn]
        weights, z = challenge.coefficients(seed, 60), challenge.evaluation_point(seed)
        if not proves(seed, asked, opening(had, weights, z)):
            return False
    return True


def an_answer_without_any_data():
    world = without_plots()
    world.begin_round(MINER)
    world.submit(MINER, JUNK)
    return accepted(world)


# Encodings.


def a_value_that_is_not_reduced():
    world = without_plots()
    world.begin_round(MINER)
    honest = world.proof(MINER, FILE.values)
    y = int.from_bytes(honest.y, "big") + SCALAR_MODULUS
    world.submit(MINER, replace(honest, y=ScalarBytes(y.to_bytes(32, "big"))))
    return accepted(world)


def reported(world, owner, points, position=4):
    """Whether the chain takes a report of these commitments, signed by ``owner``."""
    report = world.report_of(owner, FILE, 0, position, commitments=RowCommitments(points))
    try:
        world.send(world.holder(FILE, 0, position), FILE, report)
    except PalletError:
        return False
    return True


def a_report_of_bad_points(kind):
    def attack():
        world = World()
        world.declare(ALICE, FILE)
        world.go()
        return reported(world, ALICE, [Bytes48(BAD_POINTS[kind])])

    return attack


# Commitments that were chosen badly.


def a_report_of_rows_of_zeros():
    """The holder keeps nothing: it reports zeros, signs for the owner, and passes its audit."""
    world = World(miners=12)
    world.declare(ALICE, FILE)
    world.go()
    who = world.holder(FILE, 0, 4)
    if not reported(world, BOB, [commitment_to(0)]):
        return False
    world.remove_plots(who)
    world.go()
    world.begin_round(who)
    world.chain.clear_events()
    world.submit(who, JUNK)
    return accepted(world, who)


def wrong_commitments(kind):
    """A holder's bytes are not those that it was sent; does the sender sign its commitments?"""

    def attack(*, trusting=False):
        data = np.random.default_rng(3).bytes(ROW_BYTES)
        kept = {
            "nothing but zeros": bytes(ROW_BYTES),
            "other data": np.random.default_rng(4).bytes(ROW_BYTES),
            "a short fragment, padded": data[:-1000] + bytes(1000),
            "one flipped bit": data[:5000] + bytes([data[5000] ^ 1]) + data[5001:],
        }[kind]
        fragment, nonce = bytes(32), bytes([7]) * 32
        points = commit_fragment(kept)
        answer = open_transfer(kept, fragment, points, nonce)
        with broken.trusting_sender(answer) if trusting else nullcontext():
            try:
                check_transfer(data, fragment, points, nonce, answer)
            except ProofRejected:
                return False
            return True

    return attack


# Fragments of one segment in one hand.


def five_fragments_of_a_segment():
    """One miner restores four more fragments of a segment: four of five could then go."""
    world = World(miners=20)
    world.store(ALICE, FILE)
    who = world.holder(FILE, 0, 0)
    taken = 1
    for position in range(1, 5):
        world.lose(FILE, 0, position)
        number = order_id(FILE.fid, 0, position)
        try:
            world.claim(who, number)
            world.complete(who, number)
        except FileBank.AlreadyHolder:
            continue
        taken += 1
    return taken == 5


# Plots.


def idle_power(world, who):
    record = world.runtime.cess_treasury.power_record.get(who)
    return 0 if record is None else int(record.power)


def the_plots_of_another_miner(plot):
    def attack():
        world = World(miners=2, plots=1)
        info = world.begin_round(MINERS[1])
        world.answer_idle(MINERS[1], answers_of(plot, info.seed, 0, 1))
        return idle_power(world, MINERS[1]) > 0

    return attack


def one_plot_for_eight(plot):
    """Answer each draw from the one plot that is there, whichever plot was drawn."""

    def attack():
        world = World(miners=1, plots=8)
        info = world.begin_round(MINER)
        from proofs.pois.challenge import idle_draws

        found = [
            (draw.t, proof)
            for draw in idle_draws(info.seed, 0, 8, 64)
            if (proof := plot.prove(draw.challenge)) is not None
        ]
        world.answer_idle(MINER, found)
        return idle_power(world, MINER) > 4 * PLOT * 5 // 100

    return attack


def seven_of_eight_plots_deleted(plot):
    """The answers that are left are right; the estimate must say how few plots they stand for."""

    def attack():
        world = World(miners=1, plots=8)
        info = world.begin_round(MINER)
        world.answer_idle(MINER, answers_of(plot, info.seed, 0, 8))
        return idle_power(world, MINER) > 4 * PLOT * 5 // 100

    return attack


# Time.


def a_withheld_answer():
    """Three rounds without a word: does the miner stay, unfined?"""
    world = without_plots()
    for _ in range(3):
        if not world.audit.is_challenged(MINER):
            world.begin_round(MINER)
        world.go(SERVICE_DEADLINE + 1)
    return world.miners.is_positive(MINER)


def a_late_answer():
    """The miner fetches what it lost and answers a block after the deadline."""
    world = without_plots()
    world.begin_round(MINER)
    answer = world.proof(MINER, FILE.values)
    world.go(SERVICE_DEADLINE + 1)
    try:
        world.submit(MINER, answer)
    except PalletError:
        return False
    return accepted(world)


SIMPLE: dict[str, tuple[Attack, broken.Twin]] = {
    "older round": (
        an_answer_of_an_older_round,
        broken.seed_without("block_number", "randomness", "round"),
    ),
    "other miner": (an_answer_of_another_miner, broken.seed_without("miner", "randomness")),
    "sum of rows": (the_sum_of_all_rows_in_place_of_the_rows, broken.equal_coefficients),
    "values at z": (values_and_quotients_of_one_point_in_place_of_the_rows, broken.one_point),
    "half of the rows": (half_of_the_rows, broken.predictable_rows),
    "no data": (an_answer_without_any_data, broken.no_verification),
    "value above the field": (a_value_that_is_not_reduced, broken.reduced_scalars),
    "point outside the subgroup": (
        a_report_of_bad_points("outside the subgroup"),
        broken.unchecked_points,
    ),
    "infinity with an x": (a_report_of_bad_points("infinity with an x"), broken.unchecked_points),
    "rows of zeros": (a_report_of_rows_of_zeros, broken.no_co_signature),
    "five of a segment": (five_fragments_of_a_segment, broken.anybody_restores),
    "withheld answer": (a_withheld_answer, broken.no_deadline),
    "late answer": (a_late_answer, broken.clock_of_the_round),
}


@pytest.mark.parametrize("name", SIMPLE)
def test_the_attack_fails_and_would_succeed_without_the_defence(name):
    attack, twin = SIMPLE[name]
    assert not attack()
    with twin():
        assert attack(), "the twin lets it through: the test above can fail"


@pytest.mark.parametrize(
    "kind",
    ["nothing but zeros", "other data", "a short fragment, padded", "one flipped bit"],
)
def test_a_sender_signs_no_commitments_to_other_bytes_unless_it_does_not_look(kind):
    attack = wrong_commitments(kind)
    assert not attack()
    assert attack(trusting=True)


@pytest.mark.parametrize("kind", ["theirs", "one for eight", "deleted"])
def test_plots_are_not_pledged_twice_or_deleted(plot, kind):
    attack, twin = {
        "theirs": (the_plots_of_another_miner(plot), lambda: broken.plots_without_owner(MINER)),
        "one for eight": (one_plot_for_eight(plot), broken.plots_without_index),
        "deleted": (seven_of_eight_plots_deleted(plot), broken.generous_estimate),
    }[kind]
    assert not attack()
    with twin():
        assert attack()


def test_one_row_given_for_two_is_refused_whatever_the_coefficients():
    assert not one_row_for_two()
    with broken.equal_coefficients():
        assert not one_row_for_two(), "the sum of two rows is not twice the one"
    lines = random_lines(1) * 2
    seed = bytes([5]) * 32
    weights, z = challenge.coefficients(seed, 2), challenge.evaluation_point(seed)
    assert proves(seed, lines, opening(lines, weights, z)), "rows that are equal are stored once"
