"""Who had which keys in which past session, in 36 bytes for each.

For every session the root of a trie over its validators' keys is kept, from the moment at which the
session is planned. ``prove_owner`` shows to which validator a key of this session belongs, in a few
nodes of that trie; ``owner_of`` checks such a proof for any session that is remembered. So an
offence can be punished long after its keys were changed, and the chain keeps no old key.

A proof is of the keys that the session really used. That a validator has set others since, or has
purged its keys, changes nothing: Substrate looks at the newest keys for the session that runs.

Invariants:
- the sessions remembered are without gaps, and the newest is the one that is planned;
- what is forgotten here is forgotten by Offences too.

Bounds: ``sessions_kept`` roots before the running session; ``PROOF_NODES_MAX`` and
``PROOF_BYTES_MAX`` for a proof. Ports needed: ``sessions`` (Session), ``reports`` (Offences).
Provided: ``History`` of Session, ``KeyOwners`` of Babe and Grandpa.
"""

from collections.abc import Sequence
from typing import Annotated

from pallets.frame import Doc, Pallet, PalletConfig, StorageMap, StorageValue, Twox64Concat
from pallets.historical.ports import Reports, Sessions
from pallets.historical.types import (
    PROOF_BYTES_MAX,
    PROOF_NODES_MAX,
    Owner,
    SessionTrie,
    entry_key,
)
from primitives.equivocation import MembershipProof
from primitives.errors import ProofRejected
from primitives.scale import U32
from primitives.trie import verify_proof
from primitives.types import AccountId, Hash

__all__ = ["Historical"]


class Historical(Pallet):
    """The memory of sessions."""

    class Config(PalletConfig):
        """How long it reaches back."""

        sessions_kept: Annotated[U32, Doc("Past sessions of which an offence can be proved.")]
        sessions: Sessions
        reports: Reports

    config: Config

    # Sessions count up.
    historical_sessions = StorageMap(
        U32,
        tuple[Hash, U32],
        hasher=Twox64Concat,
        doc="For each session the root over its validators' keys, and how many validators it has.",
    )
    stored_range = StorageValue(
        tuple[U32, U32], doc="The first session that is remembered, and the first that is not yet."
    )

    def integrity_test(self) -> None:
        """The running session is remembered."""
        assert self.config.sessions_kept > 0, "because an offence is proved in a later block"

    # Port of Session.

    def on_session_planned(
        self, session: U32, owners: Sequence[Owner], *, is_changed: bool
    ) -> None:
        """Remember the validators of ``session``, the one after the last that was planned."""
        before = self.historical_sessions.get(U32(session - 1)) if session else None
        if is_changed or before is None:
            before = SessionTrie(owners).root, U32(len(owners))
        self.historical_sessions[session] = before
        first, end = self.stored_range.get() or (session, session)
        assert session == end, "because sessions are planned one after the other"
        # The planned session and the running one come on top of those kept.
        oldest = max(0, int(session) - int(self.config.sessions_kept) - 1)
        while first < oldest:
            del self.historical_sessions[first]
            self.config.reports.forget_session(first)
            first = U32(first + 1)
        self.stored_range.put((first, U32(session + 1)))

    # Port of Babe and Grandpa.

    def owner_of(self, kind: bytes, key: bytes, proof: MembershipProof) -> AccountId | None:
        """The validator whose key of this ``kind`` it was in the session of ``proof``, if any."""
        kept = self.historical_sessions.get(proof.session)
        if kept is None or kept[1] != proof.validator_count:
            return None
        if proof.session > self.config.sessions.index():
            return None  # it is only planned: nobody can have offended in it
        nodes = proof.trie_nodes
        if len(nodes) > PROOF_NODES_MAX or sum(map(len, nodes)) > PROOF_BYTES_MAX:
            return None
        at = entry_key(kind, key)
        try:
            found = verify_proof(kept[0], nodes, (at,))[at]
        except ProofRejected:
            return None
        return None if found is None else AccountId(found)

    def prove_owner(self, kind: bytes, key: bytes) -> MembershipProof | None:
        """Whose key it is in the running session, proved; None if it is no validator's."""
        owners = self.config.sessions.owners()
        nodes = SessionTrie(owners).prove(kind, key)
        if nodes is None:
            return None
        return MembershipProof(
            session=self.config.sessions.index(),
            trie_nodes=nodes,
            validator_count=U32(len(owners)),
        )
