"""Who gets a certificate, what is found near, and what is refused."""

import io

import numpy as np
import pytest

from pallets.balances import Balances
from pallets.file_bank.types import TerrName
from pallets.frame import BadOrigin, Origin
from pallets.mdrc import (
    Bucket,
    CertificateState,
    Code,
    Fingerprints,
    Mdrc,
    Unit,
    UnitKind,
    Units,
)
from pallets.mdrc.pallet import BUCKETS, CANDIDATES_MAX, SIMILAR_MAX
from pallets.mdrc.types import BUCKET_MAX
from primitives.hashing import blake2_256
from primitives.scale import U16
from primitives.types import Balance, Hash
from proofs.fingerprint.similarity import BAND_COUNT, hamming
from proofs.fingerprint.units import fingerprint
from tests.pallets.file_bank.storage_world import (
    ALICE,
    BOB,
    CAROL,
    DEPOSIT,
    World,
    made_file,
    refused,
)

FILES = [made_file(str(number)) for number in range(3)]
BASE = blake2_256(b"a work")


@pytest.fixture
def works(world):
    """Alice, Bob and Carol own a file each, and Alice two."""
    world.store(ALICE, FILES[0])
    world.store(BOB, FILES[1])
    world.store(CAROL, FILES[2])
    world.chain.clear_events()
    return world


def flipped(code: bytes, bits) -> Code:
    """The code with these bits changed."""
    number = int.from_bytes(code, "big")
    for bit in bits:
        number ^= 1 << bit
    return Code(number.to_bytes(32, "big"))


def prints(name: str, data: bytes = BASE, content: bytes | None = None, *more: Unit):
    units = [Unit(kind=UnitKind.Data, code=Code(data))]
    if content is not None:
        units.append(Unit(kind=UnitKind.Content, code=Code(content)))
    return Fingerprints(instance=Hash(blake2_256(name.encode())), units=Units([*units, *more]))


def claim(world, owner, file, made) -> None:
    world.call("Mdrc", "claim", owner, fid=file.fid, fingerprints=made)


def number_of(world, made) -> Hash:
    return world.runtime.mdrc.instances[made.instance]


def certificate(world, made):
    return world.runtime.mdrc.certificates[number_of(world, made)]


def similar(world):
    return world.events(Mdrc.SimilarWorkFound)


# Claiming.


def test_the_first_claim_gets_a_certificate_and_reserves_a_deposit(works):
    made = prints("one")
    claim(works, ALICE, FILES[0], made)
    number = number_of(works, made)
    owner = ALICE.account_id
    assert works.events(Mdrc.Claimed) == [
        Mdrc.Claimed(certificate=number, owner=owner, fid=FILES[0].fid)
    ]
    assert not similar(works)
    found = certificate(works, made)
    assert (found.owner, found.fid, found.fingerprints) == (owner, FILES[0].fid, made)
    assert (found.state, found.earlier) == (CertificateState.Claimed, None)
    assert (found.claimed_at, found.deposit) == (works.block, DEPOSIT)
    assert works.runtime.balances.reserved(owner) == DEPOSIT
    assert works.events(Balances.Reserved)
    assert (owner, number) in works.runtime.mdrc.owner_certificates
    assert works.runtime.mdrc.file_certificates[FILES[0].fid, owner] == number


def test_the_number_depends_on_the_work_and_the_chain_only(works):
    made = prints("one")
    claim(works, ALICE, FILES[0], made)
    other = World()
    other.store(BOB, FILES[1])
    claim(other, BOB, FILES[1], made)
    assert number_of(works, made) == number_of(other, made)


def test_a_work_is_certified_once(works):
    claim(works, ALICE, FILES[0], prints("one"))
    for owner, file in ((BOB, FILES[1]), (ALICE, FILES[0])):
        with refused(works, Mdrc.AlreadyClaimed):
            claim(works, owner, file, prints("one", blake2_256(b"other codes")))


def test_a_file_of_an_owner_stands_for_one_work(works):
    claim(works, ALICE, FILES[0], prints("one"))
    with refused(works, Mdrc.FileClaimed):
        claim(works, ALICE, FILES[0], prints("two"))


def test_a_further_owner_of_the_file_claims_another_work_with_it(works):
    works.declare(BOB, FILES[0])
    claim(works, ALICE, FILES[0], prints("one"))
    claim(works, BOB, FILES[0], prints("two", blake2_256(b"far away")))
    assert len(works.runtime.mdrc.file_certificates.prefix_keys(FILES[0].fid, limit=9)) == 2


def test_only_an_owner_of_the_file_claims(works):
    """A rival sees the claim in the pool and sends it first, in its own name: it owns nothing."""
    made = prints("one")
    with refused(works, Mdrc.NotOwner):
        claim(works, BOB, FILES[0], made)
    claim(works, ALICE, FILES[0], made)
    assert certificate(works, made).owner == ALICE.account_id


def test_a_file_that_is_not_stored_yet_proves_nothing(world):
    world.declare(ALICE, FILES[0])
    with refused(world, Mdrc.NotOwner):
        claim(world, ALICE, FILES[0], prints("one"))


def test_a_file_that_was_given_up_proves_nothing(works):
    works.delete(ALICE, FILES[0])
    with refused(works, Mdrc.NotOwner):
        claim(works, ALICE, FILES[0], prints("one"))


def test_a_certificate_outlives_the_file(works):
    made = prints("one")
    claim(works, ALICE, FILES[0], made)
    works.delete(ALICE, FILES[0])
    works.go(2)
    assert certificate(works, made).owner == ALICE.account_id


def test_there_is_one_code_of_a_kind(works):
    twice = prints("one", BASE, None, Unit(kind=UnitKind.Data, code=Code(bytes(32))))
    with refused(works, Mdrc.DuplicateUnit):
        claim(works, ALICE, FILES[0], twice)


@pytest.mark.parametrize("kinds", [[], [UnitKind.Content], [UnitKind.Meta]])
def test_every_work_has_a_data_code(works, kinds):
    units = Units(Unit(kind=kind, code=Code(BASE)) for kind in kinds)
    made = Fingerprints(instance=Hash(bytes(32)), units=units)
    with refused(works, Mdrc.MissingUnit):
        claim(works, ALICE, FILES[0], made)


def test_a_claim_needs_its_deposit(works):
    free = works.runtime.balances.free(ALICE.account_id)
    works.runtime.balances.burn_from(ALICE.account_id, Balance(free - DEPOSIT + 1))
    with refused(works, Balances.InsufficientBalance):
        claim(works, ALICE, FILES[0], prints("one"))


def test_a_claim_is_signed(works):
    with refused(works, BadOrigin):
        works.chain.call(
            "Mdrc", "claim", Origin.root(), fid=FILES[0].fid, fingerprints=prints("one")
        )


# Near works.


@pytest.mark.parametrize(("distance", "is_near"), [(0, True), (23, True), (24, True), (25, False)])
def test_works_within_the_distance_are_near(works, distance, is_near):
    """The changed bits lie in two bands, so that all the others are shared."""
    first = prints("one")
    second = prints("two", flipped(BASE, range(distance)))
    claim(works, ALICE, FILES[0], first)
    claim(works, BOB, FILES[1], second)
    found = certificate(works, second)
    if is_near:
        assert similar(works) == [
            Mdrc.SimilarWorkFound(
                certificate=number_of(works, second),
                earlier=number_of(works, first),
                kind=UnitKind.Data,
                distance=U16(distance),
            )
        ]
        assert (found.state, found.earlier) == (
            CertificateState.Contested,
            number_of(works, first),
        )
    else:
        assert not similar(works)
        assert (found.state, found.earlier) == (CertificateState.Claimed, None)


def test_an_own_earlier_work_is_named_and_does_not_contest(works):
    works.store(ALICE, made_file("again"))
    first, second = prints("one"), prints("two", flipped(BASE, [3]))
    claim(works, ALICE, FILES[0], first)
    claim(works, ALICE, made_file("again"), second)
    found = certificate(works, second)
    assert (found.state, found.earlier) == (CertificateState.Claimed, number_of(works, first))
    assert len(similar(works)) == 1


def test_likeness_of_text_counts_like_likeness_of_bytes(works):
    text = blake2_256(b"text")
    first = prints("one", blake2_256(b"1"), text)
    second = prints("two", blake2_256(b"2"), flipped(text, [0, 100]))
    claim(works, ALICE, FILES[0], first)
    claim(works, BOB, FILES[1], second)
    (event,) = similar(works)
    assert (event.kind, event.distance) == (UnitKind.Content, 2)


def test_codes_of_different_kinds_are_not_compared(works):
    claim(works, ALICE, FILES[0], prints("one", BASE))
    claim(works, BOB, FILES[1], prints("two", blake2_256(b"2"), BASE))
    assert not similar(works)


def test_a_like_title_does_not_make_a_like_work(works):
    title = Unit(kind=UnitKind.Meta, code=Code(bytes(32)))
    claim(works, ALICE, FILES[0], prints("one", blake2_256(b"1"), None, title))
    claim(works, BOB, FILES[1], prints("two", blake2_256(b"2"), None, title))
    assert not similar(works)


def test_a_real_edit_is_found(works):
    """A kilobyte of a large work is changed; an unrelated work is far."""
    work = bytearray(np.random.default_rng(1).bytes(1 << 20))
    one = fingerprint(io.BytesIO(bytes(work)))
    work[500_000:500_100] = bytes(100)
    two = fingerprint(io.BytesIO(bytes(work)))
    other = fingerprint(io.BytesIO(np.random.default_rng(2).bytes(1 << 20)))
    assert hamming(one.data, two.data) <= 24 < hamming(one.data, other.data)
    for owner, file, made in zip((ALICE, BOB, CAROL), FILES, (one, two, other), strict=True):
        units = Units([Unit(kind=UnitKind.Data, code=Code(made.data))])
        claim(works, owner, file, Fingerprints(instance=Hash(made.instance), units=units))
    (event,) = similar(works)
    assert event.earlier == works.runtime.mdrc.instances[Hash(one.instance)]
    assert event.certificate == works.runtime.mdrc.instances[Hash(two.instance)]


# Bounds.


def many(world, count: int, code=lambda number: flipped(BASE, [number])):
    """``count`` certificates of Alice, each for a file of its own name in the index."""
    mdrc = world.runtime.mdrc
    for number in range(count):
        mdrc.file_certificates.take(FILES[0].fid, ALICE.account_id)
        claim(world, ALICE, FILES[0], prints(f"work {number}", code(number)))
        if number % 50 == 49:
            world.go()


def test_a_claim_reports_the_eight_nearest(works):
    many(works, SIMILAR_MAX + 2, lambda number: flipped(BASE, range(number + 1)))
    works.chain.clear_events()
    claim(works, BOB, FILES[1], prints("last"))
    assert [int(event.distance) for event in similar(works)] == list(range(1, SIMILAR_MAX + 1))


def test_among_equally_near_works_the_oldest_comes_first(works):
    first = prints("one", flipped(BASE, [0]))
    claim(works, ALICE, FILES[0], first)
    works.go()
    claim(works, BOB, FILES[1], prints("two", flipped(BASE, [255])))
    works.chain.clear_events()
    last = prints("three")
    claim(works, CAROL, FILES[2], last)
    assert certificate(works, last).earlier == number_of(works, first)


def test_a_full_band_keeps_the_oldest(works):
    many(works, BUCKET_MAX + 1, lambda number: flipped(BASE, [number % 16, 16 + number % 15]))
    mdrc = works.runtime.mdrc
    sizes = [len(bucket) for _, bucket in mdrc.bands.items(limit=999)]
    assert max(sizes) == BUCKET_MAX
    oldest = number_of(works, prints("work 0"))
    full = [bucket for _, bucket in mdrc.bands.items(limit=999) if len(bucket) == BUCKET_MAX]
    assert all(bucket[0] == oldest for bucket in full)
    newest = number_of(works, prints(f"work {BUCKET_MAX}"))
    assert all(newest not in bucket for bucket in full)


def test_a_claim_looks_at_a_bounded_number_of_candidates(works, monkeypatch):
    monkeypatch.setattr("pallets.mdrc.pallet.CANDIDATES_MAX", 3)
    many(works, 5)
    assert len(works.runtime.mdrc._candidates(prints("last"))) == 3
    assert CANDIDATES_MAX == 256


def test_a_certificate_is_listed_once_in_each_of_its_bands(works):
    made = prints("one", BASE, blake2_256(b"text"))
    claim(works, ALICE, FILES[0], made)
    buckets = works.runtime.mdrc.bands.items(limit=999)
    assert len(buckets) == BUCKETS == 2 * BAND_COUNT
    assert all(bucket == Bucket([number_of(works, made)]) for _, bucket in buckets)


def test_certificates_are_found_by_instance_owner_and_file(works):
    works.store(ALICE, made_file("again"))
    for owner, file, name in (
        (ALICE, FILES[0], "one"),
        (BOB, FILES[1], "two"),
        (ALICE, made_file("again"), "three"),
    ):
        claim(works, owner, file, prints(name, blake2_256(name.encode())))
    mdrc = works.runtime.mdrc
    numbers = {number for number, _ in mdrc.certificates.items(limit=9)}
    assert numbers == {number for _, number in mdrc.instances.items(limit=9)}
    assert numbers == {number for _, number in mdrc.owner_certificates.keys(limit=9)}
    assert numbers == {number for _, number in mdrc.file_certificates.items(limit=9)}
    for owner, count in ((ALICE, 2), (BOB, 1)):
        assert works.runtime.balances.reserved(owner.account_id) == count * DEPOSIT


def test_two_leases_make_one_owner(works):
    """A file moves nowhere: the certificate does not depend on the territory."""
    works.mint(BOB, TerrName(b"other"), 4)
    works.declare(BOB, FILES[0], territory=TerrName(b"other"))
    claim(works, BOB, FILES[0], prints("one"))
    assert certificate(works, prints("one")).owner == BOB.account_id


def test_fingerprints_are_the_claimants_word(works):
    """A rival copies a claim from the pool and is first, with a file of its own.

    The chain cannot tell. The certificate names that file: whoever may open it sees that it does
    not hold the work (docs/specs/mdrc.md, Limits).
    """
    made = prints("one")
    claim(works, BOB, FILES[1], made)
    with refused(works, Mdrc.AlreadyClaimed):
        claim(works, ALICE, FILES[0], made)
    assert certificate(works, made).fid == FILES[1].fid
