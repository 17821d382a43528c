"""What must hold between any two calls on a storage chain: the laws of docs/specs/territory.md."""

from collections import Counter

from pallets.file_bank.types import order_id, place_number
from primitives.scale import U32, U64
from tests.pallets.file_bank.storage_world import (
    FRAGMENT,
    MINERS,
    OWNERS,
    PLOT,
    SEGMENT_SPACE,
    World,
)

ALL = 10_000


def check(world: World) -> None:
    """Assert every law."""
    _check_territories(world)
    places = _check_segments(world)
    _check_miners(world, places)
    _check_lists(world)
    _check_audits(world)


def _check_territories(world: World) -> None:
    bank = world.bank
    used: Counter[tuple[bytes, bytes]] = Counter()
    locked: Counter[tuple[bytes, bytes]] = Counter()
    for _, info in bank.file.items(limit=ALL):
        assert info.owner, "a file without owners"
        for brief in info.owner:
            used[brief.user, brief.territory_name] += int(info.segment_count) * SEGMENT_SPACE
    for _, deal in bank.deal_map.items(limit=ALL):
        key = (deal.user.user, deal.user.territory_name)
        locked[key] += int(deal.segment_count) * SEGMENT_SPACE
    for owner in OWNERS:
        who = owner.account_id
        for name, info in world.runtime.storage_handler.territory.prefix(who, limit=ALL):
            assert info.used_space == used.pop((who, name), 0)
            assert info.locked_space == locked.pop((who, name), 0)
            assert info.total_space == info.used_space + info.locked_space + info.remaining_space
    assert not used
    assert not locked


def _check_segments(world: World) -> Counter:
    """Each holding of a segment is one of its miner's slots; return holdings by miner."""
    bank, audit = world.bank, world.audit
    held: Counter = Counter()
    for (fid, index), segment in bank.file_segments.items(limit=ALL):
        holders = []
        for position, fragment in enumerate(segment.fragment_list):
            number = order_id(fid, int(index), position)
            kept = (fid, place_number(int(index), position)) in bank.lost_commitments
            assert kept == (not fragment.avail)
            if not fragment.avail:
                assert number in bank.restoral_order
                continue
            holders.append(fragment.miner)
            _check_slot(audit, fragment.miner, fragment.slot, (fid, index, position, fragment.hash))
        assert len(set(holders)) == len(holders), "two fragments of a segment in one hand"
        held.update(holders)
    for (fid, index), pending in bank.deal_segments.items(limit=ALL):
        drawn = [fragment.miner for fragment in pending.fragments if fragment.miner]
        assert len(set(drawn)) == len(drawn), "two fragments of a segment in one hand"
        for position, fragment in enumerate(pending.fragments):
            if fragment.reported:
                place = (fid, index, position, fragment.hash)
                _check_slot(audit, fragment.miner, fragment.slot, place)
                held[fragment.miner] += 1
    for number, order in bank.restoral_order.items(limit=ALL):
        place = (order.file_hash, int(order.segment_index), int(order.fragment_index))
        assert number == order_id(*place)
        segment = bank.file_segments[order.file_hash, order.segment_index]
        assert segment.fragment_list[order.fragment_index].hash == order.fragment_hash
    return held


def _check_slot(audit, miner, slot, place) -> None:
    holding = audit.holdings[miner, slot]
    assert holding.removed is None
    assert place == (
        holding.file_hash,
        holding.segment_index,
        holding.fragment_index,
        holding.fragment_hash,
    )


def _check_miners(world: World, held: Counter) -> None:
    bank, sminer = world.bank, world.miners
    waiting: Counter = Counter()
    for (fid, index), pending in bank.deal_segments.items(limit=ALL):
        for position, fragment in enumerate(pending.fragments):
            if fragment.miner is not None and not fragment.reported:
                waiting[fragment.miner] += 1
                works = [bank.assigned[fragment.miner, fragment.hash]]
                works += bank.assigned_more.get(fragment.miner, fragment.hash) or ()
                places = [(w.file_hash, w.segment_index, w.fragment_index) for w in works]
                assert places.count((fid, index, position)) == 1
    assigned: Counter = Counter(who for who, _ in bank.assigned.keys(limit=ALL))
    for (who, _), more in bank.assigned_more.items(limit=ALL):
        assert more, "an empty list is no list"
        assigned[who] += len(more)
    assert assigned == waiting
    idle_total = service_total = 0
    for who in MINERS:
        info = sminer.miner_items.get(who)
        if info is None:
            assert held[who] == waiting[who] == 0
            continue
        assert info.service_space == held[who] * FRAGMENT
        assert info.lock_space == waiting[who] * FRAGMENT
        used = info.idle_space + info.lock_space + info.service_space
        assert used <= info.declaration_space
        plots = info.space_proof_info
        if not sminer.is_leaving(who):
            standing = info.idle_space + info.lock_space + sminer.pending_replacements.get(who)
            assert standing == int(plots.rear - plots.front) * PLOT
        idle_total += int(info.idle_space + info.lock_space)
        service_total += int(info.service_space)
        count = int(world.audit.holding_count.get(who))
        slots = sorted(int(slot) for slot, _ in world.audit.holdings.prefix(who, limit=ALL))
        assert slots == list(range(count)), "slots are dense"
        for slot in slots:
            holding = world.audit.holdings[who, U32(slot)]
            rows = world.audit.commitments[who, U32(slot)]
            assert (rows.since, rows.removed) == (holding.since, holding.removed)
        live = [slot for slot in slots if world.audit.holdings[who, U32(slot)].removed is None]
        assert len(live) == held[who]
    assert world.runtime.storage_handler.total_idle_space.get() == idle_total
    assert world.runtime.storage_handler.total_service_space.get() == service_total


def _check_lists(world: World) -> None:
    bank = world.bank
    owned = set()
    for fid, info in bank.file.items(limit=ALL):
        owned |= {(brief.user, fid, brief.territory_name) for brief in info.owner}
    listed = {
        (who, fid, item.territory_name)
        for (who, fid), item in bank.user_hold_file_list.items(limit=ALL)
    }
    filled = {(who, fid, name) for ((who, name), fid) in bank.territory_files.keys(limit=ALL)}
    assert owned == listed == filled
    due = set(bank.deal_schedule.keys(limit=ALL))
    assert due == {(deal.deadline, fid) for fid, deal in bank.deal_map.items(limit=ALL)}
    removing = {
        bank.removal_queue[U64(index)].file_hash
        for index in range(bank.removal_head.get(), bank.removal_tail.get())
    }
    assert removing == set(bank.removing.keys(limit=ALL))
    segments = {fid for fid, _ in bank.file_segments.keys(limit=ALL)}
    segments |= {fid for fid, _ in bank.deal_segments.keys(limit=ALL)}
    known = {fid for fid, _ in bank.file.items(limit=ALL)}
    known |= {fid for fid, _ in bank.deal_map.items(limit=ALL)}
    assert segments == known | removing


def _check_audits(world: World) -> None:
    audit = world.audit
    rounds = dict(audit.challenge_snap_shot.items(limit=ALL))
    service = {(info.deadline, who) for who, info in rounds.items() if not info.service_done}
    idle = {(info.idle_deadline, who) for who, info in rounds.items() if not info.idle_done}
    assert service == set(audit.challenge_slip.keys(limit=ALL))
    assert idle == set(audit.idle_slip.keys(limit=ALL))
    assert all(not (info.service_done and info.idle_done) for info in rounds.values())
    queued = {
        audit.removed_queue[U64(index)]
        for index in range(audit.removed_head.get(), audit.removed_tail.get())
    }
    removed = {
        keys for keys, holding in audit.holdings.items(limit=ALL) if holding.removed is not None
    }
    assert removed <= queued
