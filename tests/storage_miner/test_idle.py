"""Which plots are made, certified, retired and deleted."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pallets.sminer.types import MinerState
from primitives.types import Hash
from storage_miner.idle import (
    BATCH_MAX,
    BATCH_MIN,
    NO_ROOM,
    PAUSED,
    RETRY_BLOCKS,
    CertificateFailed,
    CertificateProved,
    DeletePlot,
    FrontFinalized,
    Idle,
    IdleCallEnded,
    MakePlot,
    PlotDeleted,
    PlotFailed,
    PlotMade,
    PlotsDamaged,
    PlotsListed,
    ProveCertificate,
    RequestCertificate,
    RetirePlots,
    SpaceMeasured,
    SubmitCertificate,
)
from tests.storage_miner.kit import (
    DONE,
    FACTS,
    FRAGMENT_BYTES,
    LOST,
    PLOT,
    challenge,
    effects,
    info,
    pending,
    refused,
    view,
)

SEED = Hash(b"\x07" * 32)
ROOM = SpaceMeasured(200, can_begin=True)


def core(*on_disk: int, space: SpaceMeasured = ROOM, plots_max: int | None = None) -> Idle:
    made = Idle(FACTS, plots_max)
    made.receive(space)
    made.receive(PlotsListed(on_disk))
    return made


def make_all(idle: Idle, first: list[object]) -> list[object]:
    """Carry out every plot order; return the order that follows."""
    orders = first
    while orders and isinstance(orders[0], MakePlot):
        idle.receive(PlotMade(orders[0].index))
        orders = effects(idle)
    return orders


def test_a_new_miner_makes_a_batch_and_asks_for_its_certification() -> None:
    idle = core()
    idle.receive(view(5))
    first = effects(idle)
    assert first == [MakePlot(0)]
    assert make_all(idle, first) == [RequestCertificate(BATCH_MIN)]


def test_one_plot_at_a_time() -> None:
    idle = core()
    idle.receive(view(5))
    idle.receive(view(6))
    assert effects(idle) == [MakePlot(0)]


def test_a_certification_is_answered_when_its_seed_is_drawn_and_only_once() -> None:
    idle = core(0, 1, 2, 3)
    idle.receive(view(5, pending_idle=pending(0, 4)))
    assert effects(idle) == []
    asked = pending(0, 4, seed=7, deadline=40)
    idle.receive(view(6, pending_idle=asked))
    assert effects(idle) == [ProveCertificate(SEED, 0, 4, 40)]
    idle.receive(view(7, pending_idle=asked))
    assert effects(idle) == []
    idle.receive(CertificateProved(SEED, ((3, b"proof"),)))
    assert effects(idle) == [SubmitCertificate(((3, b"proof"),), 40)]
    idle.receive(view(8, pending_idle=asked))
    assert effects(idle) == []
    idle.receive(IdleCallEnded(DONE))
    idle.receive(view(9, info=info(rear=4)))
    assert idle.statistics().certified == 4


def test_a_lost_answer_is_sent_again_after_the_next_view() -> None:
    idle = core(0, 1, 2, 3)
    asked = pending(0, 4, seed=7, deadline=40)
    idle.receive(view(6, pending_idle=asked))
    idle.receive(CertificateProved(SEED, ()))
    effects(idle)
    idle.receive(IdleCallEnded(LOST))
    assert effects(idle) == []
    idle.receive(view(7, pending_idle=asked))
    assert [type(each) for each in effects(idle)] == [SubmitCertificate]


def test_a_refused_answer_is_computed_anew_later() -> None:
    idle = core(0, 1, 2, 3)
    asked = pending(0, 4, seed=7, deadline=40)
    idle.receive(view(6, pending_idle=asked))
    idle.receive(CertificateProved(SEED, ()))
    effects(idle)
    idle.receive(IdleCallEnded(refused("InsufficientIdleProof")))
    idle.receive(view(7, pending_idle=asked))
    assert effects(idle) == []
    idle.receive(view(6 + RETRY_BLOCKS, pending_idle=asked))
    assert [type(each) for each in effects(idle)] == [ProveCertificate]
    assert "InsufficientIdleProof" in idle.statistics().reason


def test_an_expired_certification_is_asked_for_again() -> None:
    idle = core(0, 1, 2, 3)
    idle.receive(view(50, pending_idle=pending(0, 4, seed=7, deadline=40)))
    assert effects(idle) == [RequestCertificate(BATCH_MIN)]


def test_a_proof_that_fails_is_tried_again_some_times() -> None:
    idle = core(0, 1, 2, 3)
    asked = pending(0, 4, seed=7, deadline=400)
    tried = 0
    for number in range(6, 30):
        idle.receive(view(number, pending_idle=asked))
        for _ in effects(idle):
            tried += 1
            idle.receive(CertificateFailed(SEED, "the worker died"))
    assert tried == 3


def test_batches_grow_with_what_is_certified() -> None:
    idle = core(*range(16))
    idle.receive(view(5, info=info(rear=8)))
    assert effects(idle) == [RequestCertificate(8)]


def test_declared_space_is_not_exceeded() -> None:
    idle = core(0, 1, 2, 3)
    idle.receive(view(5, info=info(rear=4, declared=6 * PLOT + 1)))
    assert make_all(idle, effects(idle)) == [RequestCertificate(2)]


def test_service_and_locked_space_count_against_the_declaration() -> None:
    idle = core()
    full = info(rear=0, declared=4 * PLOT, service=3 * PLOT, locked=PLOT, idle=0)
    idle.receive(view(5, info=full))
    assert effects(idle) == []
    assert idle.statistics().reason == "the declared space is in use"


def test_no_plot_is_made_without_room_on_the_disk() -> None:
    idle = core(space=SpaceMeasured(0, can_begin=False))
    idle.receive(view(5))
    assert effects(idle) == []
    assert "full" in idle.statistics().reason


def test_the_configured_number_of_plots_is_kept() -> None:
    idle = core(0, plots_max=2)
    idle.receive(view(5, info=info(rear=1)))
    assert make_all(idle, effects(idle)) == [RequestCertificate(1)]
    idle.receive(IdleCallEnded(DONE))
    idle.receive(view(7, info=info(rear=2)))
    assert effects(idle) == []
    assert idle.statistics().reason == "`idle_plots` is reached"


def test_a_plot_that_cannot_be_made_is_tried_later_and_its_reason_shown() -> None:
    idle = core()
    idle.receive(view(5))
    effects(idle)
    idle.receive(PlotFailed(0, "no room"))
    idle.receive(view(6))
    assert effects(idle) == []
    assert idle.statistics().reason == "no room"
    idle.receive(view(5 + RETRY_BLOCKS))
    assert effects(idle) == [MakePlot(0)]


def test_a_damaged_plot_is_made_again() -> None:
    idle = core(0, 1, 2, 3, plots_max=4)
    idle.receive(view(5, info=info(rear=4)))
    assert effects(idle) == []
    idle.receive(PlotsDamaged((2,)))
    assert effects(idle) == [MakePlot(2)]


def test_displaced_plots_are_retired_and_deleted_only_when_that_is_final() -> None:
    idle = core(0, 1, 2, 3, plots_max=4)
    idle.receive(view(5, info=info(rear=4), pending_replacements=PLOT + FRAGMENT_BYTES))
    assert effects(idle) == [RetirePlots(1)]
    idle.receive(IdleCallEnded(DONE))
    idle.receive(view(7, info=info(front=1, rear=4)))
    assert not [each for each in effects(idle) if isinstance(each, DeletePlot)]
    idle.receive(FrontFinalized(6, 1))
    assert [each for each in effects(idle) if isinstance(each, DeletePlot)] == [DeletePlot(0)]
    idle.receive(PlotDeleted(0))
    assert not [each for each in effects(idle) if isinstance(each, DeletePlot)]


def test_less_than_a_plot_displaced_retires_nothing() -> None:
    idle = core(0, 1, 2, 3, plots_max=4)
    idle.receive(view(5, info=info(rear=4), pending_replacements=PLOT - 1))
    assert effects(idle) == []


def test_nothing_is_retired_while_an_idle_round_is_open() -> None:
    idle = core(0, 1, 2, 3, plots_max=4)
    idle.receive(view(5, info=info(rear=4), pending_replacements=PLOT, challenge=challenge(rear=4)))
    assert effects(idle) == []
    answered = challenge(rear=4, idle_done=True)
    idle.receive(view(6, info=info(rear=4), pending_replacements=PLOT, challenge=answered))
    assert effects(idle) == [RetirePlots(1)]


def test_an_open_round_keeps_the_plots_that_it_asks_for() -> None:
    idle = core(0, 1, 2, 3, plots_max=4)
    idle.receive(FrontFinalized(5, 2))
    idle.receive(view(6, info=info(front=2, rear=4), challenge=challenge(front=1, rear=4)))
    assert [each for each in effects(idle) if isinstance(each, DeletePlot)] == [DeletePlot(0)]


def test_a_frozen_miner_asks_for_no_certification_but_keeps_its_plots() -> None:
    idle = core(0, 1)
    idle.receive(view(5, info=info(state=MinerState.Frozen, rear=3)))
    assert effects(idle) == [MakePlot(2)]


def test_a_miner_that_left_makes_no_plots() -> None:
    idle = core(0, 1)
    idle.receive(view(5, info=info(state=MinerState.Exit, front=2, rear=2)))
    assert effects(idle) == []


def test_nothing_happens_before_the_disk_was_listed() -> None:
    idle = Idle(FACTS, None)
    idle.receive(ROOM)
    idle.receive(view(5))
    assert effects(idle) == []


def test_while_plotting_is_paused_none_is_begun_but_the_rest_goes_on() -> None:
    paused = SpaceMeasured(200, can_begin=True, is_paused=True)
    idle = core(0, 1, 2, 3, space=paused, plots_max=8)
    idle.receive(view(5, info=info(rear=3), pending_replacements=PLOT))
    assert effects(idle) == [RetirePlots(1)]
    assert idle.statistics().reason == PAUSED
    idle.receive(IdleCallEnded(DONE))
    idle.receive(view(6, info=info(front=1, rear=3)))
    idle.receive(FrontFinalized(6, 1))
    assert effects(idle) == [DeletePlot(0)]
    idle.receive(ROOM)
    assert effects(idle) == [MakePlot(4)]
    assert idle.statistics().reason == ""


def test_a_full_disk_pauses_plots_until_there_is_room_again() -> None:
    idle = core(0, 1, space=SpaceMeasured(0, can_begin=False))
    idle.receive(view(5, info=info(rear=4)))
    assert effects(idle) == []
    assert idle.statistics().reason == NO_ROOM
    idle.receive(ROOM)
    assert effects(idle) == [MakePlot(2)]


steps = st.lists(
    st.sampled_from(["block", "fragment", "gone", "made", "failed", "room", "full"]), max_size=60
)


@settings(max_examples=60, deadline=None)
@given(steps=steps, declared=st.integers(1, 20), quota=st.integers(1, 20))
def test_idle_and_service_space_never_exceed_what_is_declared_nor_plots_the_room(
    steps: list[str], declared: int, quota: int
) -> None:
    """Fragments come and displace plots; whatever happens, no plot is asked for beyond the room."""
    idle = Idle(FACTS, None)
    on_disk: set[int] = set()
    front = rear = service = number = 0
    making: int | None = None
    service_seen = 0

    def room() -> SpaceMeasured:
        left = quota - len(on_disk) - service
        return SpaceMeasured(max(0, left), can_begin=left > 0)

    idle.receive(PlotsListed(()))
    idle.receive(room())
    for step in steps:
        match step:
            case "block":
                number += 1
                service_seen = service
                seen = info(
                    front=front,
                    rear=rear,
                    declared=declared * PLOT,
                    service=service * PLOT,
                    idle=(rear - front) * PLOT,
                )
                replaced = max(0, (rear - front) + service - declared) * PLOT
                idle.receive(view(number, info=seen, pending_replacements=replaced))
                idle.receive(FrontFinalized(number, front))
            case "fragment" if service < declared:
                # The chain takes a fragment only if it fits, and has plots displaced for it.
                service += 1
            case "gone" if service:
                service -= 1
            case "made" if making is not None:
                on_disk.add(making)
                idle.receive(PlotMade(making))
                making = None
            case "failed" if making is not None:
                idle.receive(PlotFailed(making, "no room"))
                making = None
            case "room" | "full":
                idle.receive(room() if step == "room" else SpaceMeasured(0, can_begin=False))
            case _:
                pass
        for effect in effects(idle):
            match effect:
                case MakePlot(index):
                    assert making is None
                    making = index
                    assert index not in on_disk
                case DeletePlot(index):
                    assert index < front
                    on_disk.discard(index)
                    idle.receive(PlotDeleted(index))
                case RequestCertificate(count):
                    assert all(index in on_disk for index in range(rear, rear + count))
                    assert count <= min(BATCH_MAX, declared - service_seen - (rear - front))
                    if (rear - front) + service + count <= declared:
                        rear += count
                    idle.receive(IdleCallEnded(DONE))
                case RetirePlots(count):
                    assert count <= rear - front
                    front += count
                    idle.receive(IdleCallEnded(DONE))
                case _:
                    pass
        assert idle.statistics().wanted <= max(declared, rear - front)
