"""Slots, epochs and randomness: whose turn it is to make a block.

A block says in its digest for which slot it was made, by whom and by what right. The claim must be
good, see ``slots``, and slots must rise from block to block; anything else makes the block invalid.
``epoch_duration`` slots are an epoch. The first block at or after its end begins the next one and
announces, in a digest item for light clients, what the epoch after that will be. Epochs that nobody
authored in are skipped.

Every claim carries the output of the author's verifiable random function for the slot.
``author_vrf_randomness`` is made from it, 32 bytes that follow from key, slot and epoch alone: the
author cannot choose them, and nobody else knows them before the block. From them come

- ``random``: BLAKE2b-256 of a subject and ``block_randomness``, which hashes in the output of each
  block, one after the other, so that not even an author knows its later draws before others'
  blocks are there;
- the randomness of an epoch: BLAKE2b-256 of that of the epoch before, its index, and the outputs of
  all blocks of the epoch before the one that announces it.

*Limits*: an author can make no block, and so have the next author's output count instead. With the
slots at the end of an epoch in one hand, that is a choice between two outcomes for each of them.
Who authors many blocks in a row knows its draws so far ahead. Genesis sets the randomness of the
first two epochs, so the keys of genesis can be chosen for it. See ADR 19.

Invariants:
- ``current_slot`` rises with every block;
- ``block_randomness`` depends on the claims of the chain's blocks and on nothing else in them;
- the epoch of a slot is announced before the slot comes, in block 1 or an epoch earlier;
- the authorities are those of genesis: this chain does not change its set yet.

Bounds: ``max_authorities``; an epoch keeps at most one output of 32 bytes for each of its slots, in
segments of ``SEGMENT_OUTPUTS_MAX``. Ports needed: ``chain`` (System), ``sessions`` (Session).
Provided: ``Randomness`` of the storage pallets, ``Slots`` of Timestamp, ``Authors`` of
TransactionPayment, ``Epochs`` of Session; to the node ``authorities_at``, ``note_checked`` and the
views of its runtime API.
"""

from typing import Annotated, Final, Protocol

from pallets.babe.slots import SlotEpoch, check_claim
from pallets.babe.types import (
    SEGMENT_OUTPUTS_MAX,
    Authorities,
    BabeConfiguration,
    BabeEpochConfiguration,
    Epoch,
    OutputSegment,
)
from pallets.frame import (
    Doc,
    Pallet,
    PalletConfig,
    PalletGenesis,
    StorageMap,
    StorageValue,
    Twox64Concat,
    Weight,
)
from primitives.crypto.vrf import RANDOMNESS_CONTEXT, RandomPoint, make_bytes
from primitives.digest import (
    BABE_ENGINE,
    AllowedSlots,
    AuthorityKey,
    BabeConsensusLog,
    BabePreDigest,
    Consensus,
    Digest,
    DigestItem,
    NextEpochData,
    Randomness,
)
from primitives.errors import DecodeError, InvalidBlock
from primitives.hashing import blake2_256
from primitives.scale import U32, U64, codec
from primitives.types import AccountId, BlockNumber, Hash, Moment

__all__ = ["Babe", "Chain", "Sessions"]

NO_RANDOMNESS = Randomness(bytes(32))

WEIGHT_EACH = U64(1)
"""The weight of every authority."""

PRIMARY_CHANCE: Final = (U64(1), U64(4))
"""The chance of a slot to have a primary author. Secondary slots fill the others."""

CLAIM_REF_TIME: Final = 2_000_000_000
"""Picoseconds to check a claim, with what it brings; measured 1.5 ms on one core."""


class Chain(Protocol):
    """System: where the block stands, and its digest."""

    def current_digest(self) -> Digest:
        """The block's digest so far."""
        ...

    def deposit_log(self, item: DigestItem) -> None:
        """Append ``item`` to it."""
        ...


class Sessions(Protocol):
    """Session: the people behind the keys."""

    def validator_at(self, index: int) -> AccountId | None:
        """The account of authority ``index``."""
        ...

    def on_new_epoch(self) -> None:
        """An epoch begins."""
        ...


class Babe(Pallet):
    """Block production by slots."""

    class Config(PalletConfig):
        """The lengths of slots and epochs."""

        epoch_duration: Annotated[U64, Doc("Slots of an epoch.")]
        expected_block_time: Annotated[Moment, Doc("Milliseconds of a slot.")]
        max_authorities: Annotated[U32, Doc("The most authorities that an epoch may have.")]
        chain: Chain
        sessions: Sessions

    class Genesis(PalletGenesis):
        """The randomness of the first two epochs."""

        randomness: Randomness = NO_RANDOMNESS

    config: Config

    epoch_index = StorageValue(U64, default=U64(0), doc="Index of the current epoch.")
    authorities = StorageValue(Authorities, default=(), doc="Who may author in this epoch.")
    genesis_slot = StorageValue(U64, default=U64(0), doc="The slot of block 1.")
    current_slot = StorageValue(U64, default=U64(0), doc="The slot of this block.")
    randomness = StorageValue(
        Randomness, default=NO_RANDOMNESS, doc="Randomness of this epoch; it draws the authors."
    )
    next_randomness = StorageValue(
        Randomness, default=NO_RANDOMNESS, doc="Randomness of the next epoch, as announced."
    )
    next_authorities = StorageValue(
        Authorities, default=(), doc="Authorities of the next epoch, as announced."
    )
    epoch_start = StorageValue(
        tuple[BlockNumber, BlockNumber],
        default=(BlockNumber(0), BlockNumber(0)),
        doc="The blocks at which the previous and this epoch began.",
    )
    lateness = StorageValue(
        BlockNumber, default=BlockNumber(0), doc="Empty slots between the parent and this block."
    )
    author_vrf_randomness = StorageValue(
        Randomness, doc="The random output of this block's author for its slot."
    )
    block_randomness = StorageValue(
        Randomness,
        default=NO_RANDOMNESS,
        doc="Hash over the random outputs of all blocks so far; draws are made from it.",
    )
    segment_index = StorageValue(
        U32, default=U32(0), doc="The segment of UnderConstruction that is being filled."
    )
    under_construction = StorageMap(
        U32,
        OutputSegment,
        hasher=Twox64Concat,
        default=OutputSegment(),
        doc="Random outputs of this epoch's blocks, for the randomness of the one after the next.",
    )
    epoch_config = StorageValue(BabeEpochConfiguration, doc="Which claims of slots count.")

    _noted: tuple[BabePreDigest, RandomPoint] | None = None

    def integrity_test(self) -> None:
        """Slots and epochs have a length."""
        assert self.config.epoch_duration > 0, "because an epoch must end"
        assert self.config.expected_block_time > 0, "because a slot must end"

    def genesis_build(self, genesis: Genesis) -> None:
        """Set the rules; the authorities come from Session."""
        self.randomness.put(genesis.randomness)
        self.next_randomness.put(genesis.randomness)
        self.epoch_config.put(
            BabeEpochConfiguration(
                c=PRIMARY_CHANCE, allowed_slots=AllowedSlots.PrimaryAndSecondaryVRFSlots
            )
        )

    # Port of Session.

    def on_genesis_session(self, keys: tuple[AuthorityKey, ...]) -> None:
        """Take the first authorities."""
        assert 0 < len(keys) <= self.config.max_authorities, "because a chain spec is checked"
        authorities = tuple((key, WEIGHT_EACH) for key in keys)
        self.authorities.put(authorities)
        self.next_authorities.put(authorities)

    # Hooks.

    def on_initialize(self, n: BlockNumber) -> Weight:
        """Check the claim of the slot; begin an epoch if one is due.

        Raises: InvalidBlock.
        """
        claim = self._claim()
        slot, before = claim.claimed_slot, int(self.current_slot.get())
        is_first = not self.genesis_slot.exists()
        if not is_first and slot <= before:
            raise InvalidBlock(f"slot {slot} does not follow the parent's slot {before}")
        output = self._output(claim, self.authorities_at(slot))
        is_due = self._begins_epoch(slot)
        self.current_slot.put(U64(slot))
        if is_first:
            self.genesis_slot.put(U64(slot))
            self._announce()
        else:
            late = min(slot - before - 1, (1 << 32) - 1)
            self.lateness.put(BlockNumber(late))
        if is_due:
            self._begin_epoch(n)
        self._keep(Randomness(make_bytes(output, RANDOMNESS_CONTEXT, len(NO_RANDOMNESS))))
        return Weight(CLAIM_REF_TIME) + Weight(reads=12, writes=14)

    # Port of Timestamp.

    def on_timestamp_set(self, moment: Moment) -> None:
        """Raise InvalidBlock unless ``moment`` lies in the slot of this block."""
        slot = int(moment) // int(self.config.expected_block_time)
        if slot != self.current_slot.get():
            claimed = self.current_slot.get()
            raise InvalidBlock(
                f"the time {moment} ms is in slot {slot}, the block claims slot {claimed}"
            )

    # Port of TransactionPayment.

    def author(self) -> AccountId | None:
        """The account of this block's author; None in genesis."""
        data = self.config.chain.current_digest().pre_runtime(BABE_ENGINE)
        if data is None:
            return None
        return self.config.sessions.validator_at(codec(BabePreDigest).decode(data).author)

    # Port of the storage pallets.

    def random(self, subject: bytes) -> Hash:
        """Randomness of this block, separated by ``subject``.

        Its author can withhold it with its block, and nobody can choose it.
        """
        return blake2_256(subject + self.block_randomness.get())

    # For the node.

    def note_checked(self, claim: BabePreDigest, output: RandomPoint) -> None:
        """Take ``output`` as that of ``claim``: the node made or checked it for the next block.

        Without a note, or for another claim, the block's claim is checked here.
        """
        self._noted = claim, output

    # Views, for the node and its runtime API.

    def authorities_at(self, slot: int) -> SlotEpoch:
        """Who may author at ``slot``, in a child of the block whose state this is.

        This is what an author asks before it claims a slot, and an importer before it executes.
        """
        if self._begins_epoch(slot):
            index, randomness = self._index_at(slot), self.next_randomness.get()
            authorities = self.next_authorities.get()
        else:
            index, randomness = int(self.epoch_index.get()), self.randomness.get()
            authorities = self.authorities.get()
        chance = self._rules().c
        return SlotEpoch(
            index=index,
            authorities=tuple(bytes(key) for key, _ in authorities),
            weights=tuple(int(weight) for _, weight in authorities),
            randomness=bytes(randomness),
            c=(int(chance[0]), int(chance[1])),
        )

    def configuration(self) -> BabeConfiguration:
        """What a light client needs to follow the chain."""
        rules = self._rules()
        return BabeConfiguration(
            slot_duration=U64(self.config.expected_block_time),
            epoch_length=self.config.epoch_duration,
            c=rules.c,
            authorities=self.authorities.get(),
            randomness=self.randomness.get(),
            allowed_slots=rules.allowed_slots,
        )

    def current_epoch_start(self) -> U64:
        """The slot at which this epoch began."""
        return U64(self._start_of(int(self.epoch_index.get())))

    def current_epoch(self) -> Epoch:
        """The epoch of this block."""
        index = int(self.epoch_index.get())
        return self._epoch(index, self.authorities.get(), self.randomness.get())

    def next_epoch(self) -> Epoch:
        """The epoch after that, as announced."""
        index = int(self.epoch_index.get()) + 1
        return self._epoch(index, self.next_authorities.get(), self.next_randomness.get())

    # Private.

    def _claim(self) -> BabePreDigest:
        data = self.config.chain.current_digest().pre_runtime(BABE_ENGINE)
        if data is None:
            raise InvalidBlock("the digest says no slot; every block is made for one")
        try:
            return codec(BabePreDigest).decode(data)
        except DecodeError as error:
            raise InvalidBlock(f"the claim of a slot does not decode: {error}") from None

    def _output(self, claim: BabePreDigest, epoch: SlotEpoch) -> RandomPoint:
        if self._noted is not None and self._noted[0] == claim:
            return self._noted[1]
        return check_claim(claim, epoch)

    def _keep(self, output: Randomness) -> None:
        """Keep the output of this block for those who draw by it."""
        self.author_vrf_randomness.put(output)
        mixed = blake2_256(self.block_randomness.get() + output)
        self.block_randomness.put(Randomness(mixed))
        index = self.segment_index.get()
        segment = self.under_construction.get(index)
        if len(segment) == SEGMENT_OUTPUTS_MAX:
            index, segment = index + 1, OutputSegment()
            self.segment_index.put(index)
        self.under_construction[index] = OutputSegment((*segment, output))

    def _take_outputs(self) -> bytes:
        """The outputs of the epoch that ends, in order; they are forgotten."""
        segments = range(int(self.segment_index.get()) + 1)
        found = [each for at in segments for each in self.under_construction.take(U32(at))]
        self.segment_index.put(U32(0))
        return b"".join(found)

    def _begins_epoch(self, slot: int) -> bool:
        """Whether a block at ``slot`` is past the end of the epoch that the state is in."""
        if not self.genesis_slot.exists():
            return False
        start = self._start_of(int(self.epoch_index.get()))
        return slot - start >= self.config.epoch_duration

    def _start_of(self, index: int) -> int:
        return int(self.genesis_slot.get()) + index * int(self.config.epoch_duration)

    def _index_at(self, slot: int) -> int:
        """The epoch of ``slot``: more than one ahead where epochs are skipped."""
        return (slot - int(self.genesis_slot.get())) // int(self.config.epoch_duration)

    def _begin_epoch(self, n: BlockNumber) -> None:
        index = U64(self._index_at(int(self.current_slot.get())))
        begun = self.next_randomness.get()
        self.epoch_index.put(index)
        self.authorities.put(self.next_authorities.get())
        self.randomness.put(begun)
        self.epoch_start.put((self.epoch_start.get()[1], n))
        seed = begun + (index + 1).to_bytes(8, "little") + self._take_outputs()
        self.next_randomness.put(Randomness(blake2_256(seed)))
        self._announce()
        self.config.sessions.on_new_epoch()

    def _announce(self) -> None:
        message = NextEpochData(
            authorities=self.next_authorities.get(), randomness=self.next_randomness.get()
        )
        data = codec(BabeConsensusLog).encode(message)
        self.config.chain.deposit_log(Consensus(engine=BABE_ENGINE, data=data))

    def _epoch(self, index: int, authorities: Authorities, randomness: Randomness) -> Epoch:
        return Epoch(
            epoch_index=U64(index),
            start_slot=U64(self._start_of(index)),
            duration=self.config.epoch_duration,
            authorities=authorities,
            randomness=randomness,
            config=self._rules(),
        )

    def _rules(self) -> BabeEpochConfiguration:
        rules = self.epoch_config.get()
        assert rules is not None, "because genesis sets it"
        return rules
