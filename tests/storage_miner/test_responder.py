"""When a miner proves and submits: tables of lives of a round, and properties over any life."""

from hypothesis import given, settings
from hypothesis import strategies as st

from primitives.types import Bytes48, Hash
from storage_miner.facts import Ended, Outcome
from storage_miner.responder import (
    PROVE_ATTEMPTS_MAX,
    AnswerEnded,
    IdleAnswers,
    Miss,
    Part,
    Postponed,
    ProofFailed,
    Prove,
    Proved,
    Responder,
    RoundKey,
    ServiceAnswer,
    Submit,
)
from tests.storage_miner.kit import DONE, LOST, challenge, effects, refused, view

SERVICE = ServiceAnswer((), bytes(32), Bytes48(bytes(48)))
IDLE = IdleAnswers(())


def key(part: Part = Part.service, number: int = 1, seed: int = 1) -> RoundKey:
    return RoundKey(part, number, Hash(bytes([seed]) * 32))


def service_only(**parts: int) -> object:
    return challenge(idle_done=True, **parts)


def started() -> Responder:
    core = Responder()
    core.receive(view(11, challenge=service_only()))
    assert [type(each) for each in effects(core)] == [Prove]
    return core


def test_a_new_round_is_proved_then_submitted_then_left_alone() -> None:
    core = started()
    core.receive(Proved(key(), SERVICE))
    assert effects(core) == [Submit(key(), SERVICE, 30)]
    core.receive(AnswerEnded(key(), DONE))
    core.receive(view(12, challenge=service_only()))
    assert effects(core) == []
    core.receive(view(13, challenge=None))
    assert effects(core) == []
    assert core.statistics().submitted == 1
    assert core.next_deadline() is None


def test_both_parts_are_answered_at_the_same_time() -> None:
    core = Responder()
    core.receive(view(11, challenge=challenge()))
    asked = effects(core)
    assert [each.key.part for each in asked] == [Part.service, Part.idle]
    assert core.next_deadline() == 30


def test_a_part_that_asks_nothing_is_not_answered() -> None:
    core = Responder()
    core.receive(view(11, challenge=challenge(service_done=True, idle_done=True)))
    assert effects(core) == []


def test_a_proof_that_fails_is_tried_again_some_times_and_then_missed_with_its_reason() -> None:
    core = started()
    for attempt in range(1, PROVE_ATTEMPTS_MAX + 1):
        core.receive(ProofFailed(key(), "the worker died"))
        core.receive(view(11 + attempt, challenge=service_only()))
        if attempt < PROVE_ATTEMPTS_MAX:
            assert [type(each) for each in effects(core)] == [Prove]
    assert effects(core) == [Miss(key(), "the worker died")]
    core.receive(view(20, challenge=service_only()))
    assert effects(core) == []


def test_an_answer_that_waits_is_computed_at_each_block_and_costs_no_attempt() -> None:
    core = started()
    for number in range(12, 29):
        core.receive(Postponed(key(), "a volume is away"))
        core.receive(view(number, challenge=service_only()))
        assert [type(each) for each in effects(core)] == [Prove]
    core.receive(Proved(key(), SERVICE))
    assert [type(each) for each in effects(core)] == [Submit]


def test_an_answer_that_waits_too_long_is_missed_with_its_reason() -> None:
    core = started()
    core.receive(Postponed(key(), "a volume is away"))
    core.receive(view(30, challenge=service_only()))
    assert effects(core) == [Miss(key(), "a volume is away")]


def test_a_lost_submission_is_sent_again_only_when_a_later_view_shows_the_part_open() -> None:
    core = started()
    core.receive(Proved(key(), SERVICE))
    effects(core)
    core.receive(AnswerEnded(key(), LOST))
    assert effects(core) == []
    core.receive(view(12, challenge=service_only()))
    assert effects(core) == [Submit(key(), SERVICE, 30)]


def test_a_lost_submission_that_arrived_after_all_is_not_sent_again() -> None:
    core = started()
    core.receive(Proved(key(), SERVICE))
    effects(core)
    core.receive(view(12, challenge=challenge(service_done=True)))
    core.receive(AnswerEnded(key(), LOST))
    core.receive(view(13, challenge=challenge(service_done=True)))
    assert not [
        each
        for each in effects(core)
        if isinstance(each, Submit | Miss) and (each.key.part is Part.service)
    ]
    assert core.statistics().submitted == 1


def test_a_refused_answer_closes_the_part() -> None:
    core = started()
    core.receive(Proved(key(), SERVICE))
    effects(core)
    core.receive(AnswerEnded(key(), refused("Submitted")))
    core.receive(view(12, challenge=service_only()))
    assert effects(core) == []
    assert core.statistics().refused == 1


def test_nothing_is_sent_in_the_last_block_because_it_would_come_too_late() -> None:
    core = started()
    core.receive(view(30, challenge=service_only()))
    core.receive(Proved(key(), SERVICE))
    assert [type(each) for each in effects(core)] == [Miss]


def test_the_block_before_the_last_is_early_enough() -> None:
    core = started()
    core.receive(view(29, challenge=service_only()))
    core.receive(Proved(key(), SERVICE))
    assert effects(core) == [Submit(key(), SERVICE, 30)]


def test_another_seed_of_the_same_round_is_another_question() -> None:
    core = started()
    core.receive(view(12, challenge=service_only(seed=2)))
    asked = effects(core)
    assert [type(each) for each in asked] == [Miss, Prove]
    core.receive(Proved(key(seed=1), SERVICE))
    assert effects(core) == []
    core.receive(Proved(key(seed=2), SERVICE))
    assert effects(core) == [Submit(key(seed=2), SERVICE, 30)]


def test_after_a_restart_the_chain_alone_says_what_is_open() -> None:
    core = Responder()
    core.receive(view(25, challenge=challenge(service_done=True)))
    assert [each.key.part for each in effects(core)] == [Part.idle]


class World:
    """A chain and a shell that do with the core's orders what the draw says."""

    def __init__(self) -> None:
        self.core = Responder()
        self.number = 10
        self.round = 0
        self.open: dict[Part, int] = {}
        self.proving: list[RoundKey] = []
        self.sending: list[RoundKey] = []
        self.answered: set[RoundKey] = set()
        self.missed: list[RoundKey] = []
        self.seen: set[RoundKey] = set()
        self.arrived: set[RoundKey] = set()

    def view(self) -> None:
        asked = challenge(
            number=self.round,
            seed=self.round % 250 + 1,
            deadline=self.open.get(Part.service, 0),
            idle_deadline=self.open.get(Part.idle, 0),
            service_done=Part.service not in self.open,
            idle_done=Part.idle not in self.open,
        )
        for part in self.open:
            self.seen.add(self.key(part))
        self.tell(view(self.number, challenge=asked if self.open else None))

    def key(self, part: Part) -> RoundKey:
        return key(part, self.round, self.round % 250 + 1)

    def tell(self, fact: object) -> None:
        self.core.receive(fact)  # type: ignore[arg-type]
        for effect in effects(self.core):
            match effect:
                case Prove(key=which):
                    self.proving.append(which)
                case Submit(key=which, deadline=deadline):
                    assert which not in self.sending, "two submissions at once"
                    assert which not in self.answered, "sent after the chain answered"
                    assert self.number < deadline, "sent too late"
                    self.sending.append(which)
                case Miss(key=which):
                    assert which not in self.missed, "missed twice"
                    self.missed.append(which)

    def begin(self) -> None:
        if not self.open:
            self.round += 1
            self.open = {Part.service: self.number + 8, Part.idle: self.number + 12}

    def tick(self, blocks: int) -> None:
        for _ in range(blocks):
            self.number += 1
            for part, deadline in list(self.open.items()):
                if self.number > deadline:
                    del self.open[part]

    def end_submission(self, outcome: Outcome, *, arrives: bool) -> None:
        if not self.sending:
            return
        which = self.sending.pop(0)
        is_open = which.round_number == self.round and which.part in self.open
        if outcome is Outcome.done and not is_open:
            outcome = Outcome.refused
        if is_open and (outcome is not Outcome.lost or arrives):
            del self.open[which.part]
        if outcome is not Outcome.lost and which not in self.missed:
            self.answered.add(which)
        if outcome is Outcome.lost and is_open and arrives:
            self.arrived.add(which)
        self.tell(AnswerEnded(which, Ended(outcome)))


STEPS = st.one_of(
    st.tuples(st.just("tick"), st.integers(1, 5)),
    st.tuples(st.just("begin"), st.just(0)),
    st.tuples(st.just("proved"), st.integers(0, 1)),
    st.tuples(st.just("failed"), st.just(0)),
    st.tuples(st.just("ended"), st.sampled_from(list(Outcome))),
    st.tuples(st.just("arrived"), st.just(0)),
    st.tuples(st.just("view"), st.just(0)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=60))
def test_every_part_ends_in_one_answer_or_one_miss_and_no_two_submissions(
    steps: list[tuple[str, object]],
) -> None:
    world = World()
    for name, argument in steps:
        match name:
            case "tick":
                world.tick(int(argument))  # type: ignore[call-overload]
                world.view()
            case "begin":
                world.begin()
            case "proved" if world.proving:
                which = world.proving.pop(0)
                world.tell(Proved(which, SERVICE if which.part is Part.service else IDLE))
            case "failed" if world.proving:
                world.tell(ProofFailed(world.proving.pop(0), "the worker died"))
            case "ended":
                assert isinstance(argument, Outcome)
                world.end_submission(argument, arrives=False)
            case "arrived":
                world.end_submission(Outcome.lost, arrives=True)
            case "view":
                world.view()
    # Whatever is under way ends, and time passes.
    while world.sending:
        world.end_submission(Outcome.lost, arrives=False)
    world.tick(40)
    world.view()
    for which in world.seen:
        outcomes = (which in world.answered) + world.missed.count(which)
        assert outcomes == 1 or which in world.arrived, which
    statistics = world.core.statistics()
    assert statistics.submitted + statistics.refused + statistics.missed == len(world.seen)
    assert world.core.next_deadline() is None
