"""Slots, epochs and randomness: whose turn it is to make a block.

A block says in its digest for which slot it was made, by whom and by what right. The claim must be
good, see ``slots``, and slots must rise from block to block; anything else makes the block invalid.
``epoch_duration`` slots are an epoch. The first block at or after its end begins the next one and
announces, in a digest item for light clients, what the epoch after that will be. Epochs that nobody
authored in are skipped; then epochs and sessions no longer have the same numbers.

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
- the authorities of an epoch are those that were announced for it; they change with the session.

Root may change which claims count and how often a slot is won (``plan_config_change``): announced
by the next epoch's first block, in force an epoch later. ``report_equivocation`` punishes who
sealed two blocks for one slot; the offender may author no more until another set is elected.

Bounds: ``max_authorities``; an epoch keeps at most one output of 32 bytes for each of its slots, in
segments of ``SEGMENT_OUTPUTS_MAX``; ``SKIPPED_EPOCHS_MAX``. Ports needed: ``chain`` (System),
``sessions`` (Session), ``key_owners`` (Historical), ``offences`` (Offences).
Provided: ``Randomness`` of the storage pallets and Staking, ``Slots`` of Timestamp and
SchedulerCredit, ``Authors`` of TransactionPayment, Grandpa and Staking, ``Epochs`` of Session; to
the node ``authorities_at``, ``note_checked`` and the views of its runtime API.
"""

from typing import Annotated, Final

from pallets.babe import reports
from pallets.babe.ports import Chain, KeyOwners, OffenceReports, Sessions
from pallets.babe.slots import SlotEpoch, check_claim, secondary_author
from pallets.babe.types import (
    SEGMENT_OUTPUTS_MAX,
    SKIPPED_EPOCHS_MAX,
    Authorities,
    BabeConfiguration,
    BabeEpochConfiguration,
    Epoch,
    OutputSegment,
    SkippedEpochs,
)
from pallets.frame import (
    Call,
    Doc,
    Origin,
    Pallet,
    PalletConfig,
    PalletError,
    PalletGenesis,
    PostInfo,
    StorageMap,
    StorageValue,
    Twox64Concat,
    Weight,
    call,
    ensure,
    ensure_none,
    ensure_root,
    ensure_signed,
)
from pallets.frame.validity import TransactionSource, ValidTransaction
from primitives.crypto.vrf import RANDOMNESS_CONTEXT, RandomPoint, make_bytes
from primitives.digest import (
    BABE_ENGINE,
    AllowedSlots,
    AuthorityKey,
    BabeConsensusLog,
    BabeOnDisabled,
    BabePreDigest,
    Consensus,
    NextConfigData,
    NextConfigDescriptor,
    NextConfigV1,
    NextEpochData,
    Randomness,
)
from primitives.equivocation import BabeEquivocationProof, MembershipProof
from primitives.errors import DecodeError, InvalidBlock
from primitives.hashing import blake2_256
from primitives.scale import U32, U64, codec
from primitives.types import BABE_KEY_TYPE, AccountId, BlockNumber, Hash, Moment

__all__ = ["Babe"]

NO_RANDOMNESS = Randomness(bytes(32))

WEIGHT_EACH = U64(1)
"""The weight of every authority."""

PRIMARY_CHANCE: Final = (U64(1), U64(4))
"""The chance of a slot to have a primary author. Secondary slots fill the others."""

CLAIM_REF_TIME: Final = 2_000_000_000
"""Picoseconds to check a claim, with what it brings; measured 1.5 ms on one core."""


class Babe(Pallet):
    """Block production by slots."""

    class Config(PalletConfig):
        """The lengths of slots and epochs."""

        epoch_duration: Annotated[U64, Doc("Slots of an epoch.")]
        expected_block_time: Annotated[Moment, Doc("Milliseconds of a slot.")]
        max_authorities: Annotated[U32, Doc("The most authorities that an epoch may have.")]
        report_longevity: Annotated[U64, Doc("Blocks for which the pool keeps a report.")]
        chain: Chain
        sessions: Sessions
        key_owners: KeyOwners
        offences: OffenceReports

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
        Randomness,
        doc="The random output of this block's author for its slot; a plain claim has none.",
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
    next_epoch_config = StorageValue(
        BabeEpochConfiguration, doc="Which do in the next epoch, where that was announced."
    )
    pending_epoch_config_change = StorageValue(
        NextConfigDescriptor, doc="What the next epoch's first block will announce."
    )
    skipped_epochs = StorageValue(
        SkippedEpochs,
        default=SkippedEpochs(),
        doc="Epochs that followed skipped ones, with their sessions: the newest.",
    )

    class InvalidEquivocationProof(PalletError, index=0):
        """These are not two blocks that one author sealed for one slot."""

    class InvalidKeyOwnershipProof(PalletError, index=1):
        """The proof does not show that the key was a validator's in the session of that slot."""

    class DuplicateOffenceReport(PalletError, index=2):
        """This offence was reported already."""

    class InvalidConfiguration(PalletError, index=3):
        """With these rules no slot could have an author, or the chance is no fraction."""

    _noted: tuple[BabePreDigest, RandomPoint | None] | None = None

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

    def on_genesis_session(
        self, keys: tuple[AuthorityKey, ...], next_keys: tuple[AuthorityKey, ...]
    ) -> None:
        """Take the first authorities, and those of the epoch after the first."""
        for found in (keys, next_keys):
            assert 0 < len(found) <= self.config.max_authorities, "because a chain spec is checked"
        self.authorities.put(_weighed(keys))
        self.next_authorities.put(_weighed(next_keys))

    def on_disabled(self, index: U32) -> None:
        """Tell light clients that authority ``index`` may author no more."""
        self._tell(BabeOnDisabled(authority_index=index))

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
        output = self._output(claim)
        is_due = self._begins_epoch(slot)
        self.current_slot.put(U64(slot))
        if is_first:
            self.genesis_slot.put(U64(slot))
            self._announce()
        else:
            late = min(slot - before - 1, (1 << 32) - 1)
            self.lateness.put(BlockNumber(late))
        used = Weight(CLAIM_REF_TIME) + Weight(reads=13, writes=14)
        if is_due:
            used = used + self._begin_epoch(n)
        self._keep(
            None
            if output is None
            else Randomness(make_bytes(output, RANDOMNESS_CONTEXT, len(NO_RANDOMNESS)))
        )
        return used

    # Calls.

    @call(index=0, weight=reports.report_weight)
    def report_equivocation(
        self,
        origin: Origin,
        equivocation_proof: BabeEquivocationProof,
        key_owner_proof: MembershipProof,
    ) -> PostInfo:
        """Report an author that sealed two blocks for one slot. *Origin*: signed.

        Whoever is first pays no fee.
        """
        reporter = ensure_signed(origin)
        return reports.of(self).count(reporter, equivocation_proof, key_owner_proof)

    @call(index=1, weight=reports.report_weight)
    def report_equivocation_unsigned(
        self,
        origin: Origin,
        equivocation_proof: BabeEquivocationProof,
        key_owner_proof: MembershipProof,
    ) -> PostInfo:
        """Report as a validator, in a block of its own. *Origin*: none.

        The block's author is the reporter. Only the node's own pool takes it.
        """
        ensure_none(origin)
        author = self.author()
        return reports.of(self).count(author, equivocation_proof, key_owner_proof)

    @call(index=2, weight=Weight(writes=1))
    def plan_config_change(self, origin: Origin, config: NextConfigDescriptor) -> None:
        """Change the rules of slots, an epoch after the next one has announced it. *Origin*: root.

        A later call in the same epoch replaces this one.
        """
        ensure_root(origin)
        ensure(isinstance(config, NextConfigV1), self.InvalidConfiguration)
        assert isinstance(config, NextConfigV1), "because it was checked"
        numerator, denominator = config.c
        ensure(denominator > 0 and numerator <= denominator, self.InvalidConfiguration)
        has_author = numerator > 0 or config.allowed_slots is not AllowedSlots.PrimarySlots
        ensure(has_author, self.InvalidConfiguration)
        self.pending_epoch_config_change.put(config)

    # Unsigned reports.

    def validate_unsigned(self, source: TransactionSource, call: Call) -> ValidTransaction | None:
        """Whether a report without a signature is good: the node's own, and news."""
        return reports.of(self).validate_unsigned(source, call)

    def session_of(self, epoch: int) -> int:
        """The session that the epoch ``epoch`` was: each skipped epoch is one session less."""
        gap = 0
        for at, session in self.skipped_epochs.get():
            if at > epoch:
                break
            gap = int(at) - int(session)
        return epoch - gap

    def epoch_at(self, slot: int) -> int:
        """The epoch of ``slot``: more than one ahead where epochs are skipped."""
        return (slot - int(self.genesis_slot.get())) // int(self.config.epoch_duration)

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

    # Port of SchedulerCredit.

    def owners_since_parent(self, limit: int) -> tuple[AccountId, ...]:
        """Whom the slots after the parent's were given to, up to that of this block.

        Only those of this epoch; this block's alone if there are more than ``limit`` before it.
        Empty in genesis, and where slots are not given to anybody.
        """
        rules, slot = self._rules(), int(self.current_slot.get())
        if rules.allowed_slots is AllowedSlots.PrimarySlots or not self.genesis_slot.exists():
            return ()
        missed = int(self.lateness.get())
        first = slot - missed if missed <= limit else slot
        first = max(first, self._start_of(int(self.epoch_index.get())))
        randomness, count = bytes(self.randomness.get()), len(self.authorities.get())
        owners = (secondary_author(at, randomness, count) for at in range(first, slot + 1))
        accounts = (self.config.sessions.validator_at(owner) for owner in owners)
        return tuple(account for account in accounts if account is not None)

    # Port of the storage pallets.

    def random(self, subject: bytes) -> Hash:
        """Randomness of this block, separated by ``subject``.

        Its author can withhold it with its block, and nobody can choose it.
        """
        return blake2_256(subject + self.block_randomness.get())

    # For the node.

    def note_checked(self, claim: BabePreDigest, output: RandomPoint | None) -> None:
        """Take ``output`` as that of ``claim``: the node made or checked it for the next block.

        Without a note, or for another claim, the block's claim is checked here.
        """
        self._noted = claim, output

    # Views, for the node and its runtime API.

    def authorities_at(self, slot: int) -> SlotEpoch:
        """Who may author at ``slot``, in a child of the block whose state this is.

        This is what an author asks before it claims a slot, and an importer before it executes.
        """
        begins = self._begins_epoch(slot)
        rules = self._next_rules() if begins else self._rules()
        if begins:
            index, randomness = self.epoch_at(slot), self.next_randomness.get()
            authorities = self.next_authorities.get()
        else:
            index, randomness = int(self.epoch_index.get()), self.randomness.get()
            authorities = self.authorities.get()
        disabled = self.config.sessions.disabled(in_next=begins)
        return SlotEpoch(
            index=index,
            authorities=tuple(bytes(key) for key, _ in authorities),
            weights=tuple(int(weight) for _, weight in authorities),
            randomness=bytes(randomness),
            c=(int(rules.c[0]), int(rules.c[1])),
            allowed=rules.allowed_slots,
            disabled=tuple(int(each) for each in disabled),
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
        return self._epoch(index, self.authorities.get(), self.randomness.get(), self._rules())

    def next_epoch(self) -> Epoch:
        """The epoch after that, as announced."""
        index = int(self.epoch_index.get()) + 1
        return self._epoch(
            index, self.next_authorities.get(), self.next_randomness.get(), self._next_rules()
        )

    def prove_owner(self, key: AuthorityKey) -> MembershipProof | None:
        """Whose ``key`` it is in this session, for a report; None if it is no author's."""
        return self.config.key_owners.prove_owner(BABE_KEY_TYPE, key)

    # Private.

    def _claim(self) -> BabePreDigest:
        data = self.config.chain.current_digest().pre_runtime(BABE_ENGINE)
        if data is None:
            raise InvalidBlock("the digest says no slot; every block is made for one")
        try:
            return codec(BabePreDigest).decode(data)
        except DecodeError as error:
            raise InvalidBlock(f"the claim of a slot does not decode: {error}") from None

    def _output(self, claim: BabePreDigest) -> RandomPoint | None:
        if self._noted is not None and self._noted[0] == claim:
            return self._noted[1]
        return check_claim(claim, self.authorities_at(claim.claimed_slot))

    def _keep(self, output: Randomness | None) -> None:
        """Keep the output of this block for those who draw by it."""
        if output is None:
            # Draws of the next blocks must differ at least; their author knows them, see slots.
            slot = int(self.current_slot.get()).to_bytes(8, "little")
            self.author_vrf_randomness.kill()
            self.block_randomness.put(Randomness(blake2_256(self.block_randomness.get() + slot)))
            return
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

    def _begin_epoch(self, n: BlockNumber) -> Weight:
        before, at = int(self.epoch_index.get()), self.epoch_at(int(self.current_slot.get()))
        index, begun = U64(at), self.next_randomness.get()
        next_keys, used = self.config.sessions.on_new_epoch()
        if at > before + 1:
            skipped = (*self.skipped_epochs.get(), (index, self.config.sessions.index()))
            self.skipped_epochs.put(SkippedEpochs(skipped[-SKIPPED_EPOCHS_MAX:]))
        self.epoch_index.put(index)
        self.authorities.put(self.next_authorities.get())
        self.next_authorities.put(_weighed(next_keys))
        self.randomness.put(begun)
        self.epoch_start.put((self.epoch_start.get()[1], n))
        seed = begun + (index + 1).to_bytes(8, "little") + self._take_outputs()
        self.next_randomness.put(Randomness(blake2_256(seed)))
        self._announce()
        self._change_rules()
        return used + Weight(reads=10, writes=10)

    def _change_rules(self) -> None:
        """The rules that were announced an epoch ago come into force; others are announced."""
        announced = self.next_epoch_config.take()
        if announced is not None:
            self.epoch_config.put(announced)
        planned = self.pending_epoch_config_change.take()
        if planned is not None:
            assert isinstance(planned, NextConfigV1), "because nothing else can be planned"
            self.next_epoch_config.put(
                BabeEpochConfiguration(c=planned.c, allowed_slots=planned.allowed_slots)
            )
            self._tell(NextConfigData(config=planned))

    def _announce(self) -> None:
        self._tell(
            NextEpochData(
                authorities=self.next_authorities.get(), randomness=self.next_randomness.get()
            )
        )

    def _tell(self, message: BabeConsensusLog) -> None:
        data = codec(BabeConsensusLog).encode(message)
        self.config.chain.deposit_log(Consensus(engine=BABE_ENGINE, data=data))

    def _epoch(
        self,
        index: int,
        authorities: Authorities,
        randomness: Randomness,
        rules: BabeEpochConfiguration,
    ) -> Epoch:
        return Epoch(
            epoch_index=U64(index),
            start_slot=U64(self._start_of(index)),
            duration=self.config.epoch_duration,
            authorities=authorities,
            randomness=randomness,
            config=rules,
        )

    def _rules(self) -> BabeEpochConfiguration:
        rules = self.epoch_config.get()
        assert rules is not None, "because genesis sets it"
        return rules

    def _next_rules(self) -> BabeEpochConfiguration:
        return self.next_epoch_config.get() or self._rules()


def _weighed(keys: tuple[AuthorityKey, ...]) -> Authorities:
    return tuple((key, WEIGHT_EACH) for key in keys)
