"""The runtime's answers to ``state_call``, with Substrate's names, versions and types.

Each object answers for the state that its runtime was made over. Those that execute something
(``Core``, ``BlockBuilder``, ``TaggedTransactionQueue``) use that runtime up: make one for each
question.

The APIs of our own pallets are beside them, in ``api.py`` of each. Left out is what only makes
sense where a caller's state lasts from one call to the next (``finalize_block``): the node does it
natively.
"""

from typing import TYPE_CHECKING, Final

from node.runtime.genesis_api import GenesisBuilder
from node.runtime.reports import babe_report, grandpa_report
from pallets.audit.api import AuditsApi
from pallets.babe.types import BabeConfiguration, Epoch
from pallets.file_bank.api import FilesApi
from pallets.frame import InherentData as Knowledge
from pallets.frame import TransactionInvalid, TransactionSource, TransactionUnknown
from pallets.frame.dispatch import DispatchClass, DispatchInfo, RuntimePanic
from pallets.frame.error import DispatchError
from pallets.frame.executive import Executive, InherentRejected
from pallets.frame.runtime_api import ApiSpec, RuntimeApis, runtime_api
from pallets.frame.signatures import signature_weight
from pallets.frame.validity import TransactionValidity, TransactionValidityError
from pallets.frame.version import RuntimeVersion
from pallets.frame.weight import Weight, WeightV2
from pallets.mdrc.api import CertificatesApi
from pallets.session.types import SessionKeys
from pallets.sminer.api import MinersApi
from pallets.staking.api import StakingApi, ValidatorsApi
from pallets.storage_handler.api import TerritoriesApi
from pallets.transaction_payment.types import FeeDetails
from primitives.crypto.keys import KeyPair, Scheme
from primitives.digest import AuthorityKey
from primitives.equivocation import (
    BabeEquivocationProof,
    GrandpaEquivocationProof,
    MembershipProof,
)
from primitives.errors import DecodeError, InvalidKey
from primitives.extrinsic import UncheckedExtrinsic
from primitives.header import Header
from primitives.scale import U32, U64, Err, FixedBytes, Ok, Result, codec, decode, encode, struct
from primitives.types import (
    BABE_KEY_TYPE,
    GRANDPA_KEY_TYPE,
    AccountId,
    Balance,
    Hash,
    KeyTypeId,
    Nonce,
)

if TYPE_CHECKING:
    from node.runtime.composition import CessRuntime

__all__ = [
    "API_SPECS",
    "METADATA_VERSIONS",
    "AccountNonceApi",
    "BabeApi",
    "Block",
    "BlockBuilder",
    "CheckInherentsResult",
    "Core",
    "GrandpaApi",
    "InherentData",
    "Metadata",
    "OpaqueMetadata",
    "RuntimeDispatchInfo",
    "SessionKeysApi",
    "TaggedTransactionQueue",
    "TransactionPaymentApi",
]

METADATA_VERSIONS: Final = (14, 15)
"""Versions of metadata that the runtime can give, the newest last."""

DispatchOutcome = Result[None, DispatchError]
ApplyExtrinsicResult = Result[DispatchOutcome, TransactionValidityError]


@struct(path="sp_runtime::generic::block::Block")
class Block:
    """A header and its extrinsics."""

    header: Header
    extrinsics: tuple[UncheckedExtrinsic, ...]


@struct(path="sp_core::OpaqueMetadata")
class OpaqueMetadata:
    """Metadata as bytes."""

    data: bytes


class InherentIdentifier(FixedBytes, length=8):
    """Which inherent some data is for."""


@struct(path="sp_inherents::InherentData")
class InherentData:
    """What an author knows, by identifier."""

    data: tuple[tuple[InherentIdentifier, bytes], ...]


@struct(path="sp_inherents::CheckInherentsResult")
class CheckInherentsResult:
    """Whether the inherents of a block are believed."""

    okay: bool
    fatal_error: bool
    errors: InherentData


@struct(path="pallet_transaction_payment::types::RuntimeDispatchInfo")
class RuntimeDispatchInfo:
    """What an extrinsic weighs and costs, without its tip."""

    weight: WeightV2
    class_: DispatchClass
    partial_fee: Balance


@struct(path="sp_consensus_babe::OpaqueKeyOwnershipProof")
class BabeOwnershipProof:
    """Whose key it was, as bytes that only the runtime reads."""

    data: bytes


@struct(path="sp_consensus_grandpa::OpaqueKeyOwnershipProof")
class GrandpaOwnershipProof:
    """Whose key it was, as bytes that only the runtime reads."""

    data: bytes


SESSION_SCHEMES: Final[tuple[Scheme, ...]] = ("sr25519", "ed25519")
"""Of the keys of a session, in their order."""

TIMESTAMP: Final = InherentIdentifier(b"timstap0")


@runtime_api(version=4)
class Core:
    """The `Core` runtime api that every Substrate runtime needs to implement."""

    def __init__(self, runtime: "CessRuntime") -> None:
        self._runtime = runtime

    def version(self) -> RuntimeVersion:
        """Returns the version of the runtime."""
        return self._runtime.system.config.version

    def execute_block(self, block: Block) -> None:
        """Execute the given block."""
        body = [extrinsic.encode() for extrinsic in block.extrinsics]
        Executive(self._runtime).execute_block(block.header, body)

    def initialize_block(self, header: Header) -> None:
        """Initialize a block with the given header."""
        executive = Executive(self._runtime)
        executive.initialize_block(header.parent_hash, header.number, header.digest)


@runtime_api(version=2)
class Metadata:
    """The `Metadata` api trait that returns metadata for the runtime."""

    def __init__(self, runtime: "CessRuntime") -> None:
        self._runtime = runtime

    def metadata(self) -> OpaqueMetadata:
        """Returns the metadata of a runtime."""
        return OpaqueMetadata(data=self._runtime.metadata(14))

    def metadata_at_version(self, version: U32) -> OpaqueMetadata | None:
        """Returns the metadata at a given version.

        If the given `version` isn't supported, this will return `None`.
        """
        if version not in METADATA_VERSIONS:
            return None
        return OpaqueMetadata(data=self._runtime.metadata(int(version)))

    def metadata_versions(self) -> tuple[U32, ...]:
        """Returns the supported metadata versions."""
        return tuple(U32(version) for version in METADATA_VERSIONS)


@runtime_api(version=6)
class BlockBuilder:
    """The `BlockBuilder` api trait that provides the required functionality for building a block.

    State does not last between calls: an extrinsic is applied alone.
    """

    def __init__(self, runtime: "CessRuntime") -> None:
        self._runtime = runtime

    def apply_extrinsic(self, extrinsic: UncheckedExtrinsic) -> ApplyExtrinsicResult:
        """Apply the given extrinsic.

        Returns an inclusion outcome which specifies if this extrinsic is included in this block or
        not. The hash of the last block is not known here: what was born in it has a bad proof.
        """
        unknown = Hash(bytes(32))
        try:
            outcome = Executive(self._runtime).dry_run(extrinsic.encode(), unknown)
        except (TransactionInvalid, TransactionUnknown) as error:
            return Err(error.wire())
        return Ok(Ok(None) if outcome.error is None else Err(outcome.error))

    def inherent_extrinsics(self, inherent: InherentData) -> tuple[UncheckedExtrinsic, ...]:
        """Generate inherent extrinsics. The inherent data will vary from chain to chain."""
        made = Executive(self._runtime).inherent_extrinsics(_knowledge(inherent))
        return tuple(UncheckedExtrinsic.decode(extrinsic) for extrinsic in made)

    def check_inherents(self, block: Block, data: InherentData) -> CheckInherentsResult:
        """Check that the inherents are valid. The inherent data will vary from chain to chain."""
        body = [extrinsic.encode() for extrinsic in block.extrinsics]
        errors: tuple[tuple[InherentIdentifier, bytes], ...] = ()
        is_fatal = False
        try:
            Executive(self._runtime).check_inherents(body, _knowledge(data))
        except InherentRejected as error:
            errors = ((TIMESTAMP, codec(str).encode(str(error))),)
            is_fatal = not error.too_early
        return CheckInherentsResult(
            okay=not errors, fatal_error=is_fatal, errors=InherentData(data=errors)
        )


@runtime_api(version=3)
class TaggedTransactionQueue:
    """The `TaggedTransactionQueue` api trait for interfering with the transaction queue."""

    def __init__(self, runtime: "CessRuntime") -> None:
        self._runtime = runtime

    def validate_transaction(
        self, source: TransactionSource, tx: UncheckedExtrinsic, block_hash: Hash
    ) -> TransactionValidity:
        """Validate the transaction.

        This method is invoked by the transaction pool to learn details about given transaction.
        The implementation should make sure to verify the correctness of the transaction
        against current state. The given `block_hash` corresponds to the hash of the block
        that is used as current state.
        """
        executive = Executive(self._runtime)
        try:
            return Ok(executive.validate_transaction(source, tx.encode(), block_hash))
        except (TransactionInvalid, TransactionUnknown) as error:
            return Err(error.wire())


@runtime_api(version=1)
class AccountNonceApi:
    """The API to query account nonce."""

    def __init__(self, runtime: "CessRuntime") -> None:
        self._runtime = runtime

    def account_nonce(self, account: AccountId) -> Nonce:
        """Get current account nonce of given `AccountId`."""
        return self._runtime.system.nonce_of(account) or Nonce(0)


@runtime_api(version=4)
class TransactionPaymentApi:
    """What extrinsics cost."""

    def __init__(self, runtime: "CessRuntime") -> None:
        self._runtime = runtime

    def query_info(self, uxt: UncheckedExtrinsic, len: U32) -> RuntimeDispatchInfo:  # noqa: A002
        """Weight, class and fee of an extrinsic, without its tip."""
        info = self._info(uxt)
        fee = Balance(0)
        if uxt.signed is not None:
            fee = self._runtime.transaction_payment.compute_fee(int(len), info)
        return RuntimeDispatchInfo(
            weight=info.weight.wire(), class_=info.dispatch_class, partial_fee=fee
        )

    def query_fee_details(self, uxt: UncheckedExtrinsic, len: U32) -> FeeDetails:  # noqa: A002
        """The parts of the fee of an extrinsic."""
        if uxt.signed is None:
            return FeeDetails(inclusion_fee=None, tip=Balance(0))
        info = self._info(uxt)
        tip = int(uxt.signed.extra.tip)
        return self._runtime.transaction_payment.compute_fee_details(int(len), info, tip)

    def _info(self, uxt: UncheckedExtrinsic) -> DispatchInfo:
        """What the extrinsic may cost, its signature included."""
        info = self._runtime.calls().decode(uxt.call).info()
        if uxt.signed is None:
            return info
        weight = info.weight + signature_weight(uxt.signed.signature)
        return DispatchInfo(weight, info.dispatch_class, info.pays_fee)

    def query_weight_to_fee(self, weight: WeightV2) -> Balance:
        """The fee for a weight, before the multiplier."""
        return self._runtime.transaction_payment.weight_to_fee(Weight.from_wire(weight))

    def query_length_to_fee(self, length: U32) -> Balance:
        """The fee for a length."""
        return self._runtime.transaction_payment.length_to_fee(int(length))


@runtime_api(version=1, name="SessionKeys")
class SessionKeysApi:
    """Session keys runtime api."""

    def __init__(self, runtime: "CessRuntime") -> None:
        self._runtime = runtime

    def generate_session_keys(self, seed: bytes | None) -> bytes:
        """Generate a set of session keys with optionally using the given seed.

        The seed is a secret URI in UTF-8. The keys are not kept, and without a seed there are none:
        ``author_rotateKeys`` makes keys that the node keeps.
        """
        if seed is None:
            raise RuntimePanic("no keystore is at hand here: call author_rotateKeys")
        try:
            suri = seed.decode()
            babe, grandpa = (KeyPair.from_suri(suri, scheme) for scheme in SESSION_SCHEMES)
        except (UnicodeDecodeError, InvalidKey):
            raise RuntimePanic("the seed is no secret URI, like //Alice") from None
        return codec(SessionKeys).encode(
            SessionKeys(babe=AuthorityKey(babe.public), grandpa=AuthorityKey(grandpa.public))
        )

    def decode_session_keys(self, encoded: bytes) -> tuple[tuple[bytes, KeyTypeId], ...] | None:
        """Decode the given public session keys.

        Returns the list of public raw public keys + key type.
        """
        try:
            keys = codec(SessionKeys).decode(encoded)
        except DecodeError:
            return None
        return (bytes(keys.babe), BABE_KEY_TYPE), (bytes(keys.grandpa), GRANDPA_KEY_TYPE)


@runtime_api(version=2)
class BabeApi:
    """API necessary for BABE."""

    def __init__(self, runtime: "CessRuntime") -> None:
        self._runtime = runtime

    def configuration(self) -> BabeConfiguration:
        """Return the configuration for BABE."""
        return self._runtime.babe.configuration()

    def current_epoch_start(self) -> U64:
        """Returns the slot that started the current epoch."""
        return self._runtime.babe.current_epoch_start()

    def current_epoch(self) -> Epoch:
        """Returns information regarding the current epoch."""
        return self._runtime.babe.current_epoch()

    def next_epoch(self) -> Epoch:
        """Returns information regarding the next epoch (which was already previously announced)."""
        return self._runtime.babe.next_epoch()

    def generate_key_ownership_proof(
        self,
        slot: U64,  # noqa: ARG002 - the caller chose a state of that slot's session
        authority_id: AuthorityKey,
    ) -> BabeOwnershipProof | None:
        """Generates a proof of key ownership for the given authority in the current epoch.

        Ask at a block of the session that `slot` is in. `None` if the key is no validator's there.
        """
        found = self._runtime.babe.prove_owner(authority_id)
        return None if found is None else BabeOwnershipProof(data=encode(MembershipProof, found))

    def submit_report_equivocation_unsigned_extrinsic(
        self, equivocation_proof: BabeEquivocationProof, key_owner_proof: BabeOwnershipProof
    ) -> tuple[()] | None:
        """Submits an unsigned extrinsic to report an equivocation.

        `None` where it was not taken: only the node itself has a pool to give it to.
        """
        owner = _owner_proof(key_owner_proof.data)
        if owner is None:
            return None
        return _offer(self._runtime, babe_report(self._runtime, equivocation_proof, owner))


@runtime_api(version=3)
class GrandpaApi:
    """APIs for integrating the GRANDPA finality gadget into runtimes."""

    def __init__(self, runtime: "CessRuntime") -> None:
        self._runtime = runtime

    def grandpa_authorities(self) -> tuple[tuple[AuthorityKey, U64], ...]:
        """Get the current GRANDPA authorities and weights."""
        return self._runtime.grandpa.authority_list()

    def current_set_id(self) -> U64:
        """Get current GRANDPA authority set id."""
        return self._runtime.grandpa.set_id()

    def generate_key_ownership_proof(
        self,
        set_id: U64,  # noqa: ARG002 - the caller chose a state of that set
        authority_id: AuthorityKey,
    ) -> GrandpaOwnershipProof | None:
        """Generates a proof of key ownership for the given authority in the given set.

        Ask at a block whose set is `set_id`. `None` if the key is no validator's there.
        """
        found = self._runtime.grandpa.prove_owner(authority_id)
        return None if found is None else GrandpaOwnershipProof(data=encode(MembershipProof, found))

    def submit_report_equivocation_unsigned_extrinsic(
        self, equivocation_proof: GrandpaEquivocationProof, key_owner_proof: GrandpaOwnershipProof
    ) -> tuple[()] | None:
        """Submits an unsigned extrinsic to report an equivocation.

        `None` where it was not taken: only the node itself has a pool to give it to.
        """
        owner = _owner_proof(key_owner_proof.data)
        if owner is None:
            return None
        return _offer(self._runtime, grandpa_report(self._runtime, equivocation_proof, owner))


API_SPECS: Final[dict[str, ApiSpec]] = RuntimeApis.index(
    (
        Core,
        Metadata,
        BlockBuilder,
        TaggedTransactionQueue,
        AccountNonceApi,
        TransactionPaymentApi,
        SessionKeysApi,
        BabeApi,
        GrandpaApi,
        GenesisBuilder,
        FilesApi,
        MinersApi,
        AuditsApi,
        TerritoriesApi,
        CertificatesApi,
        StakingApi,
        ValidatorsApi,
    )
)
"""Every API of the runtime by its name."""


def _owner_proof(data: bytes) -> MembershipProof | None:
    try:
        return decode(MembershipProof, data)
    except DecodeError:
        return None


def _offer(runtime: "CessRuntime", extrinsic: bytes) -> tuple[()] | None:
    """Give an extrinsic to the pool of the node that asks, if it has one and takes it."""
    take = runtime.take_unsigned
    return () if take is not None and take(extrinsic) else None


def _knowledge(data: InherentData) -> Knowledge:
    """An author's data in our words. Raises: DecodeError if its time is not one."""
    times = [raw for identifier, raw in data.data if identifier == TIMESTAMP]
    if len(times) != 1:
        raise DecodeError(f"the inherent data hold {len(times)} times (timstap0), not one")
    return Knowledge(timestamp_ms=int(codec(U64).decode(times[0])))
