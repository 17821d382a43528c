"""Blocks from extrinsics: Substrate's order of work, to the letter.

A block is ``initialize_block`` (System's beginning, then ``on_initialize`` of every pallet by
index), its inherents, its signed extrinsics, and ``finalize_block`` (``on_finalize`` by index,
System's end). An author drives these itself; ``execute_block`` repeats somebody else's block.

A signed extrinsic is decoded, its signature checked (``BadProof``), then the extensions in order:
sender, mortality, nonce, block limits, fee. If one refuses, the extrinsic cannot be in the block
and nothing has changed. Then the call runs in a layer of its own: if it fails, nonce, fee and the
event ``ExtrinsicFailed`` stay and nothing else. What is not used of the fee is given back.

A call that nobody signs and that is no inherent is taken only if its pallet's
``validate_unsigned`` says so, in the pool and again before it is run; nobody pays for it.

Guarantees: whatever ``apply_extrinsic`` raises, nothing is changed. A pallet that breaks its own
assumptions raises ``RuntimePanic``: the extrinsic is dropped as where a Wasm runtime traps.
``StorageCorrupt``, ``StateUnreadable`` and ``MemoryError`` pass through: what this machine could
not do says nothing about a call or a block, and other nodes can do it.
Bounds: ``ExecutiveConfig.weights`` and ``.length`` for a block.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from pallets.frame.call import Call
from pallets.frame.context import FINALIZATION, INITIALIZATION
from pallets.frame.dispatch import DispatchClass, DispatchInfo, Outcome, RuntimePanic
from pallets.frame.error import DispatchError
from pallets.frame.inherent import InherentData
from pallets.frame.limits import BlockLength, BlockWeights, ClassLimits, PerClassWeight
from pallets.frame.origin import Origin
from pallets.frame.pallet import Pallet
from pallets.frame.runtime import FrameRuntime
from pallets.frame.signatures import SignatureCheck, Verifier, check_signature, signature_weight
from pallets.frame.validity import (
    LONGEST,
    AncientBirthBlock,
    BadMandatory,
    BadProof,
    BadSigner,
    CallNotExpected,
    CannotLookup,
    ExhaustsResources,
    Future,
    MandatoryValidation,
    NoUnsignedValidator,
    Payment,
    Stale,
    TransactionInvalid,
    TransactionSource,
    TransactionUnknown,
    ValidTransaction,
)
from pallets.frame.weight import ZERO, Weight, WeightV2
from primitives import trie
from primitives.digest import Digest, PreRuntime, Seal
from primitives.errors import DecodeError, InvalidBlock, StateUnreadable, StorageCorrupt
from primitives.extrinsic import (
    Implicit,
    SignedExtra,
    UncheckedExtrinsic,
    signing_payload,
)
from primitives.header import Header
from primitives.scale import U32, U64
from primitives.types import AccountId, Balance, BlockNumber, Hash, Nonce

__all__ = [
    "OPERATIONAL_FEE_MULTIPLIER",
    "Examined",
    "Executive",
    "ExecutiveConfig",
    "ExecutiveRuntime",
    "Finalized",
    "InherentRejected",
    "PaymentPort",
    "SystemPort",
]

_NOBODY: Final = AccountId(bytes(32))
_U64_MAX: Final = (1 << 64) - 1

OPERATIONAL_FEE_MULTIPLIER: Final = 5
"""How many times its fee an operational transaction gains in priority."""


class SystemPort(Protocol):
    """System: the block's own records, and the nonces of accounts."""

    def initialize(self, number: BlockNumber, parent_hash: Hash, digest: Digest) -> bool:
        """Begin block ``number``: forget what belongs to its parent only.

        Returns whether the runtime is another one than that of the parent.
        """
        ...

    def block_hash(self, number: int) -> Hash | None:
        """Hash of a recent block."""
        ...

    def nonce_of(self, who: AccountId) -> Nonce | None:
        """The next nonce of ``who``, None if the account does not exist."""
        ...

    def inc_account_nonce(self, who: AccountId) -> None:
        """Use up a nonce."""
        ...

    def note_applied_extrinsic(self, info: DispatchInfo, error: DispatchError | None) -> None:
        """Deposit ``ExtrinsicSuccess`` or ``ExtrinsicFailed``."""
        ...

    def note_finished_extrinsics(self, count: int, length: int, weight: PerClassWeight) -> None:
        """No more extrinsics follow; called before the ``on_finalize`` hooks."""
        ...

    def finalize(self) -> Digest:
        """End the block: store its events and return its digest."""
        ...


class PaymentPort(Protocol):
    """TransactionPayment: what an extrinsic costs, and taking it. ``tip`` in planck."""

    def can_withdraw_fee(
        self, who: AccountId, info: DispatchInfo, length: int, tip: int
    ) -> Balance:
        """The fee with its tip, or TransactionInvalid(Payment)."""
        ...

    def withdraw_fee(self, who: AccountId, info: DispatchInfo, length: int, tip: int) -> Balance:
        """Take the fee and return it, or TransactionInvalid(Payment)."""
        ...

    def correct_and_deposit_fee(
        self, who: AccountId, actual: DispatchInfo, length: int, tip: int, withdrawn: Balance
    ) -> None:
        """Give back what ``actual`` did not use and pass on the rest."""
        ...


@dataclass(frozen=True, kw_only=True)
class ExecutiveConfig:
    """What a runtime tells the executive about itself."""

    system: SystemPort
    payment: PaymentPort
    weights: BlockWeights
    length: BlockLength
    spec_version: int
    transaction_version: int


class ExecutiveRuntime(FrameRuntime, ABC):
    """A runtime whose blocks can be executed."""

    @abstractmethod
    def executive_config(self) -> ExecutiveConfig:
        """Its ports and limits."""


@dataclass(frozen=True, slots=True)
class Finalized:
    """A finished block, without its state root: ``changes`` leads to that."""

    extrinsics_root: Hash
    digest: Digest
    changes: dict[bytes, bytes | None]


class InherentRejected(InvalidBlock):
    """An inherent that this node does not believe; if ``too_early``, waiting makes it good."""

    def __init__(self, message: str, *, too_early: bool) -> None:
        super().__init__(message)
        self.too_early = too_early


@dataclass(frozen=True, slots=True)
class Examined:
    """What is known of a transaction that could be in the next block or a later one.

    ``fee`` is the most that ``signer`` pays for it, with its tip. Nobody signed and nobody pays for
    what a pallet takes without a signature.
    """

    validity: ValidTransaction
    signer: AccountId | None
    fee: int


class _Checked:
    """An extrinsic that is decoded and, if signed, whose signature is good."""

    __slots__ = ("call", "death", "extra", "info", "length", "signer", "surcharge")

    def __init__(
        self,
        call: Call,
        length: int,
        signer: AccountId | None,
        extra: SignedExtra | None,
        death: int,
        surcharge: Weight = ZERO,
    ) -> None:
        with _panics(f"weighing {call.pallet}.{call.name}", by_author=False):
            info = call.info()
        if surcharge.ref_time:
            info = DispatchInfo(info.weight + surcharge, info.dispatch_class, info.pays_fee)
        self.info = info
        self.surcharge = surcharge
        self.call = call
        self.length = length
        self.signer = signer
        self.extra = extra
        self.death = death


class _Signature(NamedTuple):
    """A signed extrinsic, what its signature must be of, and the block at which it dies."""

    extrinsic: UncheckedExtrinsic
    check: SignatureCheck
    death: int


class _ClassBudget:
    """Weight used by one class, in plain numbers."""

    __slots__ = (
        "base_proof",
        "base_time",
        "class_proof",
        "class_time",
        "length_max",
        "max_proof",
        "max_time",
        "proof",
        "reserved_proof",
        "reserved_time",
        "time",
    )

    def __init__(self, limits: ClassLimits, length_max: int) -> None:
        self.time = 0
        self.proof = 0
        self.base_time = int(limits.base_extrinsic.ref_time)
        self.base_proof = int(limits.base_extrinsic.proof_size)
        self.max_time, self.max_proof = _parts(limits.max_extrinsic)
        self.class_time, self.class_proof = _parts(limits.max_total)
        self.reserved_time, self.reserved_proof = _parts(limits.reserved)
        self.length_max = length_max


class Executive:
    """Executes one block over the state of its parent, or judges transactions upon it."""

    def __init__(
        self,
        runtime: ExecutiveRuntime,
        *,
        verifier: Verifier = check_signature,
        expect: Callable[[Sequence[SignatureCheck]], None] | None = None,
    ) -> None:
        """``expect`` hears of many checks before ``verifier`` is asked about each."""
        config = runtime.executive_config()
        self._runtime = runtime
        self._overlay = runtime.overlay
        self._context = runtime.context
        self._verifier = verifier
        self._expect = expect
        self._expected: dict[bytes, _Signature] = {}
        self._system = config.system
        self._payment = config.payment
        self._spec_version = U32(config.spec_version)
        self._transaction_version = U32(config.transaction_version)
        classes, length = config.weights.per_class, config.length.max
        self._normal = _ClassBudget(classes.normal, int(length.normal))
        self._operational = _ClassBudget(classes.operational, int(length.operational))
        self._mandatory = _ClassBudget(classes.mandatory, int(length.mandatory))
        self._budgets = {
            DispatchClass.Normal: self._normal,
            DispatchClass.Operational: self._operational,
            DispatchClass.Mandatory: self._mandatory,
        }
        self._base_block = Weight.from_wire(config.weights.base_block)
        self._max_time, self._max_proof = _parts(config.weights.max_block)
        self._length = 0
        self._body: list[bytes] = []
        self._inherents: list[str] = []
        self._is_past_inherents = False
        self._number: BlockNumber | None = None
        self._implicits: dict[tuple[int, int], tuple[Implicit, int] | None] = {}
        self._genesis_hash: Hash | None = None

    # Building a block.

    def initialize_block(self, parent_hash: Hash, number: BlockNumber, digest: Digest) -> None:
        """Begin block ``number``; ``digest`` holds what is known before execution."""
        is_upgraded = self._begin(parent_hash, number, digest)
        used = self._base_block
        if is_upgraded:
            with _panics("on_runtime_upgrade"):
                for each in self._runtime.pallets:
                    used = used + each.on_runtime_upgrade()
        with _panics("on_initialize"):
            for each in self._runtime.pallets:
                used = used + each.on_initialize(number)
        self._mandatory.time = used.ref_time
        self._mandatory.proof = used.proof_size

    def inherent_extrinsics(self, data: InherentData) -> tuple[bytes, ...]:
        """What the author must put first into the block, in this order."""
        table = self._runtime.calls()
        found = []
        for each in self._runtime.pallets:
            made = each.create_inherent(data) if each.is_inherent_provider else None
            if made is not None:
                name, arguments = made
                call = table.make(type(each).__name__, name, **arguments)
                found.append(UncheckedExtrinsic(signed=None, call=call.encode()).encode())
        return tuple(found)

    def apply_extrinsic(self, ext: bytes) -> Outcome:
        """Add an extrinsic to the block.

        Raises:
            TransactionInvalid, TransactionUnknown: it cannot be in this block.
            DecodeError: it is no extrinsic of this runtime.
                RuntimePanic: a pallet failed unexpectedly; drop the extrinsic.
            InvalidBlock: a signed extrinsic before a required inherent.
        """
        assert self._number is not None, "because a block begins with initialize_block"
        overlay = self._overlay
        self._check_length(ext)
        checked = self._check(ext)
        provider = self._provider(checked.call) if checked.signer is None else None
        is_inherent = provider is not None
        if not is_inherent and not self._is_past_inherents:
            self._require_inherents()
        self._context.begin_extrinsic(len(self._body))
        overlay.begin()
        try:
            with _panics(f"{checked.call.pallet}.{checked.call.name}", by_author=is_inherent):
                if checked.signer is not None:
                    outcome = self._apply_signed(checked, checked.signer)
                elif is_inherent:
                    outcome = self._apply_inherent(checked)
                else:
                    outcome = self._apply_unsigned(checked)
        except BaseException:
            overlay.rollback()
            raise
        overlay.commit()
        self._is_past_inherents = not is_inherent
        self._length += len(ext)
        self._body.append(ext)
        return outcome

    def finalize_block(self) -> Finalized:
        """Finish the block.

        Raises:
            InvalidBlock: a required inherent is missing.
        """
        root = trie.ordered_root(self._body)
        return self._finish(root)

    # Somebody else's block.

    def check_inherents(self, body: Sequence[bytes], data: InherentData) -> None:
        """Compare the inherents of a block with what this node knows.

        Raises:
            InherentRejected: the author told something else.
        """
        for ext in body:
            try:
                extrinsic = UncheckedExtrinsic.decode(ext)
                if extrinsic.signed is not None:
                    return
                call = self._runtime.calls().decode(extrinsic.call)
            except DecodeError as error:
                raise InvalidBlock(f"an inherent does not decode: {error}") from None
            provider = self._provider(call)
            doubt = None if provider is None else provider.check_inherent(call, data)
            if doubt is not None:
                raise InherentRejected(
                    f"{call.pallet}.{call.name}: {doubt.message}", too_early=doubt.too_early
                )

    def execute_block(self, header: Header, body: Sequence[bytes]) -> dict[bytes, bytes | None]:
        """Repeat a block and return its changes; a seal at the end of its digest is not looked at.

        The caller compares the state root, and has checked that the state is that of the parent.

        Raises:
            InvalidBlock: the block breaks a rule; the text says which.
        """
        parent = self._context.number()
        if header.number != parent + 1:
            raise InvalidBlock(f"block {header.number} upon block {parent}")
        root = trie.ordered_root(body)
        if root != header.extrinsics_root:
            raise InvalidBlock(
                f"the extrinsics have the root 0x{root.hex()}, the header says "
                f"0x{header.extrinsics_root.hex()}"
            )
        logs = header.digest.logs
        if logs and isinstance(logs[-1], Seal):
            logs = logs[:-1]
        try:
            known = tuple(log for log in logs if isinstance(log, PreRuntime))
            self.initialize_block(header.parent_hash, header.number, Digest(logs=known))
            self._expect_all(body)
            for index, ext in enumerate(body):
                try:
                    self.apply_extrinsic(ext)
                except (TransactionInvalid, TransactionUnknown, DecodeError) as error:
                    raise InvalidBlock(f"extrinsic {index}: {error}") from error
            done = self._finish(root)
        except RuntimePanic as error:
            raise InvalidBlock(f"the runtime panics: {error}") from error
        if done.digest.logs != logs:
            raise InvalidBlock(f"the digest is {done.digest.logs}, the header says {logs}")
        return done.changes

    # The pool.

    def validate_transaction(
        self, source: TransactionSource, ext: bytes, at_hash: Hash
    ) -> ValidTransaction:
        """What a pool must know of a transaction upon ``at_hash``; see ``examine_transaction``."""
        return self.examine_transaction(ext, at_hash, source).validity

    def examine_transaction(
        self, ext: bytes, at_hash: Hash, source: TransactionSource = TransactionSource.External
    ) -> Examined:
        """Judge a transaction upon the block ``at_hash``, whose state this is.

        ``source`` matters only to what nobody signed. One executive can judge any number, and then
        nothing else.

        Raises:
            TransactionInvalid, TransactionUnknown: it cannot be in the next block or a later one.
            DecodeError: it is no extrinsic of this runtime.
            RuntimePanic: a pallet failed unexpectedly; drop the transaction.
        """
        number = self._begin_judging(at_hash)
        self._check_length(ext)
        checked = self._check(ext)
        info, extra, who = checked.info, checked.extra, checked.signer
        if info.dispatch_class is DispatchClass.Mandatory:
            raise TransactionInvalid(MandatoryValidation())
        if who is None or extra is None:
            self._check_single(info, checked.length)
            what = f"{checked.call.pallet}.{checked.call.name}"
            with _panics(what, by_author=False):
                return Examined(self._validate_unsigned(source, checked.call), None, 0)
        nonce = self._nonce(who)
        if extra.nonce < nonce:
            raise TransactionInvalid(Stale())
        self._check_single(info, checked.length)
        tip = int(extra.tip)
        with _panics("pricing a transaction", by_author=False):
            fee = self._payment.can_withdraw_fee(who, info, checked.length, tip)
        validity = ValidTransaction(
            priority=U64(self._priority(info, checked.length, tip, int(fee))),
            requires=() if extra.nonce == nonce else (_tag(who, int(extra.nonce) - 1),),
            provides=(_tag(who, int(extra.nonce)),),
            longevity=U64(max(0, checked.death - int(number))),
            propagate=True,
        )
        return Examined(validity, who, int(fee))

    def expect_transactions(self, exts: Sequence[bytes], at_hash: Hash) -> None:
        """These will be judged next: let the verifier begin with their signatures."""
        self._begin_judging(at_hash)
        self._expect_all(exts)

    def _begin_judging(self, at_hash: Hash) -> BlockNumber:
        if self._number is None:
            self._begin(at_hash, BlockNumber(self._context.number() + 1), Digest(logs=()))
        assert self._number is not None, "because it was set above"
        return self._number

    def dry_run(self, ext: bytes, at_hash: Hash) -> Outcome:
        """What would happen to ``ext`` alone in a block upon ``at_hash``, whose state this is.

        Use the executive for nothing else afterwards. Raises: as ``apply_extrinsic``.
        """
        self._begin_judging(at_hash)
        self._is_past_inherents = True
        return self.apply_extrinsic(ext)

    def signature_check(self, ext: bytes) -> SignatureCheck | None:
        """What the verifier will be asked about ``ext``; None if it is unsigned or hopeless.

        For checking many signatures ahead, elsewhere; call it after the block has begun.
        """
        found = self._signature_of(ext)
        return None if found is None else found.check

    def _signature_of(self, ext: bytes) -> "_Signature | None":
        try:
            extrinsic = UncheckedExtrinsic.decode(ext)
            return None if extrinsic.signed is None else self._signature(extrinsic)
        except (DecodeError, TransactionInvalid, TransactionUnknown):
            return None

    def _expect_all(self, exts: Sequence[bytes]) -> None:
        """Tell the verifier what comes, and keep what was decoded for that."""
        if self._expect is None:
            return
        self._expected = {
            ext: found
            for ext in exts
            if len(ext) <= self._mandatory.length_max
            if (found := self._signature_of(ext)) is not None
        }
        self._expect([found.check for found in self._expected.values()])

    # Checking.

    def _begin(self, parent_hash: Hash, number: BlockNumber, digest: Digest) -> bool:
        """Whether it is the first block of a new runtime."""
        assert self._number is None, "because an executive executes one block"
        self._number = number
        self._context.phase = INITIALIZATION
        is_upgraded = self._system.initialize(number, parent_hash, digest)
        self._genesis_hash = self._context.genesis_hash()
        return is_upgraded

    def _check_length(self, ext: bytes) -> None:
        # Before anything is decoded: what is too long for any class costs nothing.
        if len(ext) > self._mandatory.length_max:
            raise TransactionInvalid(ExhaustsResources())

    def _check(self, ext: bytes) -> _Checked:
        found = self._expected.pop(ext, None)
        extrinsic = UncheckedExtrinsic.decode(ext) if found is None else found.extrinsic
        call = self._runtime.calls().decode(extrinsic.call)
        if extrinsic.signed is None:
            return _Checked(call, len(ext), None, None, LONGEST)
        if found is None:
            found = self._signature(extrinsic)
        check = found.check
        if not self._verifier(check):
            raise TransactionInvalid(BadProof())
        if check.signer == _NOBODY:
            raise TransactionInvalid(BadSigner())
        part = extrinsic.signed
        weight = signature_weight(part.signature)
        return _Checked(call, len(ext), check.signer, part.extra, found.death, weight)

    def _signature(self, extrinsic: UncheckedExtrinsic) -> "_Signature":
        signed = extrinsic.signed
        assert signed is not None, "because callers look first"
        account = signed.account
        if account is None:
            raise TransactionUnknown(CannotLookup())
        implicit, death = self._implicit(signed.extra)
        payload = signing_payload(extrinsic.call, signed.extra, implicit)
        check = SignatureCheck(signed.signature, payload, account)
        return _Signature(extrinsic, check, death)

    def _implicit(self, extra: SignedExtra) -> tuple[Implicit, int]:
        """What the signer signed beside the extrinsic, and the block at which that expires."""
        number, genesis = self._number, self._genesis_hash
        assert number is not None, "because a block begins with initialize_block"
        assert genesis is not None, "because it is read when a block begins"
        era = extra.era
        birth = era.birth(int(number))
        death = era.death(int(number))
        found = self._implicits.get((birth, death), _MISSING)
        if isinstance(found, _Missing):
            # Eternal extrinsics are born in block 0.
            born = self._system.block_hash(birth) if birth else genesis
            found = None
            if born is not None:
                found = (
                    Implicit(
                        spec_version=self._spec_version,
                        transaction_version=self._transaction_version,
                        genesis_hash=genesis,
                        birth_hash=born,
                    ),
                    death,
                )
            self._implicits[birth, death] = found
        if found is None:
            raise TransactionInvalid(AncientBirthBlock())
        return found

    def _nonce(self, who: AccountId) -> Nonce:
        nonce = self._system.nonce_of(who)
        if nonce is None:
            raise TransactionInvalid(Payment())
        return nonce

    def _check_single(self, info: DispatchInfo, length: int) -> None:
        """Refuse what does not fit into an empty block."""
        budget, weight = self._budgets[info.dispatch_class], info.weight
        if length > budget.length_max:
            raise TransactionInvalid(ExhaustsResources())
        if weight.ref_time > budget.max_time or weight.proof_size > budget.max_proof:
            raise TransactionInvalid(ExhaustsResources())

    def _check_limits(self, info: DispatchInfo, length: int) -> None:
        """Refuse what does not fit into the rest of this block."""
        self._check_single(info, length)
        budget, weight = self._budgets[info.dispatch_class], info.weight
        if self._length + length > budget.length_max:
            raise TransactionInvalid(ExhaustsResources())
        time = budget.time + budget.base_time + weight.ref_time
        proof = budget.proof + budget.base_proof + weight.proof_size
        if time > budget.class_time or proof > budget.class_proof:
            raise TransactionInvalid(ExhaustsResources())
        normal, operational, mandatory = self._normal, self._operational, self._mandatory
        all_time = normal.time + operational.time + mandatory.time - budget.time + time
        all_proof = normal.proof + operational.proof + mandatory.proof - budget.proof + proof
        is_over = all_time > self._max_time or all_proof > self._max_proof
        if is_over and (time > budget.reserved_time or proof > budget.reserved_proof):
            raise TransactionInvalid(ExhaustsResources())

    def _priority(self, info: DispatchInfo, length: int, tip: int, fee: int) -> int:
        """What the author earns with as many such extrinsics as fit into a block."""
        budget = self._budgets[info.dispatch_class]
        time = max(1, min(info.weight.ref_time, self._max_time))
        fitting = min(self._max_time // time, budget.length_max // max(1, length))
        priority = (tip + 1) * max(1, fitting)
        if info.dispatch_class is DispatchClass.Operational:
            priority += fee * OPERATIONAL_FEE_MULTIPLIER * max(1, fitting)
        return min(priority, _U64_MAX)

    # Applying.

    def _apply_signed(self, checked: _Checked, who: AccountId) -> Outcome:
        extra, info, length = checked.extra, checked.info, checked.length
        assert extra is not None, "because a signed extrinsic has it"
        nonce = self._nonce(who)
        if extra.nonce != nonce:
            raise TransactionInvalid(Stale() if extra.nonce < nonce else Future())
        self._check_limits(info, length)
        tip = int(extra.tip)
        withdrawn = self._payment.withdraw_fee(who, info, length, tip)
        self._system.inc_account_nonce(who)
        origin = Origin.signed(who)
        outcome, actual = self._dispatch(checked.call, origin, info, checked.surcharge)
        self._payment.correct_and_deposit_fee(who, actual, length, tip, withdrawn)
        return self._note(outcome, actual)

    def _apply_inherent(self, checked: _Checked) -> Outcome:
        call = checked.call
        if self._is_past_inherents or call.pallet in self._inherents:
            raise TransactionInvalid(CallNotExpected())
        if self._length + checked.length > self._mandatory.length_max:
            raise TransactionInvalid(ExhaustsResources())
        outcome, actual = self._dispatch(call, Origin.none(), checked.info)
        outcome = self._note(outcome, actual)
        self._inherents.append(call.pallet)
        return outcome

    def _apply_unsigned(self, checked: _Checked) -> Outcome:
        self._check_limits(checked.info, checked.length)
        self._validate_unsigned(TransactionSource.InBlock, checked.call)
        outcome, actual = self._dispatch(checked.call, Origin.none(), checked.info)
        return self._note(outcome, actual)

    def _validate_unsigned(self, source: TransactionSource, call: Call) -> ValidTransaction:
        """What the call's pallet says of it. Raises: TransactionInvalid, TransactionUnknown."""
        pallet = next(each for each in self._runtime.pallets if type(each).__name__ == call.pallet)
        validity = pallet.validate_unsigned(source, call)
        if validity is None:
            raise TransactionUnknown(NoUnsignedValidator())
        return validity

    def _dispatch(
        self, call: Call, origin: Origin, info: DispatchInfo, surcharge: Weight = ZERO
    ) -> tuple[Outcome, DispatchInfo]:
        """Run the call; how it ended and what it used."""
        outcome = self._runtime.try_dispatch(call, origin)
        if outcome.error is not None and info.dispatch_class is DispatchClass.Mandatory:
            raise TransactionInvalid(BadMandatory())
        post = outcome.post
        if post.weight is None and post.pays_fee is None:
            return outcome, info
        return outcome, DispatchInfo(
            weight=info.weight if post.weight is None else info.weight.min(post.weight + surcharge),
            dispatch_class=info.dispatch_class,
            pays_fee=info.pays_fee and post.pays_fee is not False,
        )

    def _note(self, outcome: Outcome, actual: DispatchInfo) -> Outcome:
        """Log how the extrinsic ended and count its weight."""
        budget = self._budgets[actual.dispatch_class]
        time = actual.weight.ref_time + budget.base_time
        proof = actual.weight.proof_size + budget.base_proof
        shown = DispatchInfo(Weight(time, proof), actual.dispatch_class, actual.pays_fee)
        self._system.note_applied_extrinsic(shown, outcome.error)
        budget.time += time
        budget.proof += proof
        return outcome

    # Inherents.

    def _provider(self, call: Call) -> Pallet | None:
        """The pallet whose inherent ``call`` is."""
        for each in self._runtime.pallets:
            if (
                each.is_inherent_provider
                and type(each).__name__ == call.pallet
                and each.is_inherent(call)
            ):
                return each
        return None

    def _require_inherents(self) -> None:
        for each in self._runtime.pallets:
            name = type(each).__name__
            if each.is_inherent_required and name not in self._inherents:
                raise InvalidBlock(f"the block lacks the inherent of {name}; it must come first")

    # The end.

    def _finish(self, root: Hash) -> Finalized:
        number = self._number
        assert number is not None, "because a block begins with initialize_block"
        self._require_inherents()
        self._context.phase = FINALIZATION
        used = PerClassWeight(
            normal=Weight(self._normal.time, self._normal.proof).wire(),
            operational=Weight(self._operational.time, self._operational.proof).wire(),
            mandatory=Weight(self._mandatory.time, self._mandatory.proof).wire(),
        )
        with _panics("on_finalize"):
            self._system.note_finished_extrinsics(len(self._body), self._length, used)
            for each in self._runtime.pallets:
                each.on_finalize(number)
            digest = self._system.finalize()
        return Finalized(root, digest, self._overlay.changes())


class _Missing:
    """Marks what was not looked up yet."""


_MISSING: Final = _Missing()


def _parts(limit: WeightV2 | None) -> tuple[int, int]:
    """The two parts of a limit, without end where there is none."""
    if limit is None:
        return 1 << 65, 1 << 65
    return int(limit.ref_time), int(limit.proof_size)


def _tag(who: AccountId, nonce: int) -> bytes:
    """What a transaction provides to the account's next one."""
    return bytes(who) + nonce.to_bytes(4, "little")


@contextmanager
def _panics(what: str, *, by_author: bool = True) -> Iterator[None]:
    """Everything that is not an expected refusal becomes a RuntimePanic.

    Only what the author put there can make a block invalid; from a user's extrinsic such a failure
    is a panic, which drops the extrinsic.
    """
    try:
        yield
    except (TransactionInvalid, TransactionUnknown, RuntimePanic):
        raise
    except (StorageCorrupt, StateUnreadable, MemoryError):
        raise
    except Exception as error:
        if by_author and isinstance(error, InvalidBlock):
            raise
        # This is where a Wasm runtime would trap.
        raise RuntimePanic(f"{what}: {type(error).__name__}: {error}") from error
