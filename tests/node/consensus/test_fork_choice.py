"""Fork choice as a core: against a slow and plain model, and rule by rule."""

import random
from dataclasses import dataclass

import pytest

from node.consensus.fork_choice import LOST_MAX, BlockId, ForkChoice
from primitives.types import Hash


def hash_of(number: int) -> Hash:
    return Hash(number.to_bytes(32, "big"))


ROOT = BlockId(hash_of(1000), 10)


@dataclass
class Made:
    parent: Hash
    number: int
    changes: bool
    order: int


class Model:
    """All blocks; everything is computed anew by walking parents."""

    def __init__(self) -> None:
        self.root = ROOT
        self.blocks: dict[Hash, Made] = {}

    def path(self, hash_: Hash) -> list[Hash]:
        found = []
        while hash_ != self.root.hash:
            found.append(hash_)
            hash_ = self.blocks[hash_].parent
        return [*reversed(found)]

    def rank(self, hash_: Hash) -> tuple[int, int]:
        path = self.path(hash_)
        order = self.blocks[hash_].order if hash_ in self.blocks else 0
        return len(path), -order

    def alive(self) -> list[Hash]:
        above = (each for each in self.blocks if each != self.root.hash and self.lives(each))
        return [self.root.hash, *above]

    def lives(self, hash_: Hash) -> bool:
        while hash_ in self.blocks and hash_ != self.root.hash:
            hash_ = self.blocks[hash_].parent
        return hash_ == self.root.hash

    def best(self, through: Hash) -> Hash:
        return max(
            (each for each in self.alive() if through in (self.root.hash, *self.path(each))),
            key=self.rank,
        )


@pytest.mark.parametrize("seed", range(30))
def test_it_agrees_with_the_model(seed: int) -> None:
    random_ = random.Random(seed)  # not for secrets
    core, model = ForkChoice(ROOT), Model()
    for at in range(1, 120):
        alive = model.alive()
        parent = random_.choice(alive[-12:])
        block = Made(
            parent,
            (model.blocks[parent].number if parent in model.blocks else ROOT.number) + 1,
            random_.random() < 0.1,
            at,
        )
        hash_ = hash_of(at)
        model.blocks[hash_] = block
        led = core.would_lead(parent)
        before = core.best.hash
        assert led == core.add(hash_, parent, changes_set=block.changes)
        assert core.best.hash == (hash_ if led else before)
        assert core.best.hash == model.best(model.root.hash)
        one, other = random_.choice(model.alive()), random_.choice(model.alive())
        path = [model.root.hash, *model.path(one)]
        number = random_.randrange(core.root.number, core.root.number + 12)
        at_height = number - core.root.number
        assert core.ancestor_at(one, number) == (path[at_height] if at_height < len(path) else None)
        assert core.best_containing(one).hash == model.best(one)
        changing = [each for each in model.path(one) if model.blocks[each].changes]
        found = core.first_change(one)
        assert (None if found is None else found.hash) == (changing[0] if changing else None)
        route = core.route(one, other)
        shared = set(model.path(one)) & set(model.path(other))
        assert list(route.enacted) == [h for h in model.path(other) if h not in shared]
        assert list(route.retracted) == [h for h in reversed(model.path(one)) if h not in shared]
        if random_.random() < 0.06:
            number_of = core.number_of(one)
            assert number_of is not None
            best = core.finalize(one)
            model.root = BlockId(one, number_of)
            assert best.hash == core.best.hash == model.best(one)
            assert len(core) == len(model.alive())


def test_length_comes_before_the_first_seen() -> None:
    core = ForkChoice(ROOT)
    assert core.add(hash_of(1), ROOT.hash)
    assert not core.add(hash_of(2), ROOT.hash)  # seen later
    assert core.add(hash_of(3), hash_of(2))  # longer
    assert not core.add(hash_of(4), hash_of(1))
    assert core.best == BlockId(hash_of(3), 12)


def test_forks_that_finality_left_are_remembered_within_a_bound() -> None:
    core = ForkChoice(ROOT)
    core.add(hash_of(1), ROOT.hash)
    parent = ROOT.hash
    for at in range(2, LOST_MAX + 12):
        core.add(hash_of(at), parent)
        parent = hash_of(at)
    core.finalize(hash_of(1))
    assert len(core) == 1
    assert len(core.lost) == LOST_MAX
    assert hash_of(1) not in core.lost
    assert core.lost[hash_of(LOST_MAX + 11)] == (hash_of(LOST_MAX + 10), 10 + LOST_MAX + 10)


def test_the_last_block_that_forces_voters_counts_until_it_is_final() -> None:
    core = ForkChoice(ROOT)
    core.add(hash_of(1), ROOT.hash, forces_set=True)
    core.add(hash_of(2), hash_of(1))
    core.add(hash_of(3), ROOT.hash)
    assert core.last_forced(hash_of(2)) == BlockId(hash_of(1), 11)
    assert core.last_forced(hash_of(3)) is None
    assert core.first_change(hash_of(2)) is None
    core.finalize(hash_of(2))
    assert core.last_forced(hash_of(2)) is None
