"""The node as a whole: opens what it needs, wires it in one nursery, and stops it in order.

Guarantees: SIGTERM and SIGINT finish the block that is being written, close the database and exit;
a second one exits at once. ``kill -9`` at any moment loses no block that anybody was told of:
blocks are announced when synced, several at once while a chain is fetched. One process
has a base path at a time (LevelDB's lock).
"""

import gc
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
import trio

from chain_spec.spec import ChainSpec
from node import metrics
from node.config import MIB, NODE_NAME, NodeConfig, version
from node.consensus.announcements import Announcements, Finalized
from node.consensus.authorities import epoch_for
from node.consensus.chain import Chain
from node.consensus.finality import FinalityKeys
from node.consensus.grandpa.shell import FinalityShell
from node.consensus.grandpa.store import VoteStore
from node.consensus.proof_threads import ProofThreads, default_thread_count
from node.consensus.reports import Reporter
from node.consensus.shell import AuthoringKeys, ChainWriter, Conditions, author_blocks, now_ms
from node.consensus.signature_workers import SignatureWorkers, default_worker_count
from node.consensus.signed_slots import SignedSlots
from node.consensus.twin_shell import draw_patience, look_for_twins
from node.consensus.twins import TwinState, TwinWatch
from node.database import BlockId, ChainDatabase, KeyValue, LevelDb, MemoryKv, genesis_state_root
from node.genesis import genesis_header, genesis_state, load_spec
from node.logging import short_hash
from node.network.anchors import FILE_NAME as ANCHORS_FILE
from node.network.transport import Network, Roles, Status
from node.rpc.context import RpcContext
from node.rpc.dispatch import Dispatcher, encode_health
from node.rpc.jsonrpc import Limits as RpcLimits
from node.rpc.methods import (
    archive,
    author,
    ces,
    chain,
    chain_head,
    chain_spec,
    childstate,
    grandpa,
    payment,
    state,
    sync_state,
    system,
    transaction,
)
from node.rpc.registry import Registry
from node.rpc.server import RpcServer, ServerConfig
from node.sync.serving import serve_requests
from node.sync.shell import Synchroniser, SyncMode
from node.txpool.gossip_shell import TransactionGossip
from node.txpool.pool import Limits
from node.txpool.shell import TransactionPool
from node.txpool.validation import Validator
from pallets.frame.validity import TransactionSource
from primitives.crypto.keys import KeyPair
from primitives.errors import CessError
from primitives.keystore import Keystore
from primitives.types import Hash

if TYPE_CHECKING:
    from node.network.libp2p import Libp2pNetwork

__all__ = ["METHODS", "PortInUse", "open_database", "registry", "run"]

log = structlog.get_logger("node")

METHODS: Final = (
    archive,
    author,
    ces,
    chain,
    chain_head,
    chain_spec,
    childstate,
    grandpa,
    payment,
    state,
    sync_state,
    system,
    transaction,
)
"""Modules whose methods the node serves."""

OTHERS: Final = 0o077
"""Rights of everybody but the owner."""

INFORMANT_S: Final = 5.0
COLLECT_AFTER: Final = (20_000, 20, 20)
"""New objects, then young looks, then middle ones after which the next generation is looked at."""

DEFAULT_CORS: Final = ("localhost", "127.0.0.1", "https://polkadot.js.org")


class PortInUse(CessError):  # noqa: N818  a fact
    """The RPC port cannot be opened."""


def registry() -> Registry:
    """All methods."""
    return Registry.of(METHODS)


@contextmanager
def open_database(config: NodeConfig, spec: ChainSpec) -> Iterator[ChainDatabase]:
    """The chain's database, with its genesis; closed at the end."""
    kv: KeyValue
    if config.in_memory:
        kv = MemoryKv()
    else:
        path = config.database_path(spec.id)
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        kv = LevelDb(path)
    try:
        database = ChainDatabase(
            kv, state_pruning=config.state_pruning, blocks_pruning=config.blocks_pruning
        )
        state_entries = genesis_state(spec)
        database.initialise(genesis_header(genesis_state_root(state_entries)), state_entries)
        yield database
        database.settle()
    finally:
        kv.close()


@dataclass(frozen=True, slots=True)
class _Keys:
    keystore: Keystore | None
    authoring: AuthoringKeys
    finality: FinalityKeys
    extra: tuple[KeyPair, ...] = ()


def _keys(config: NodeConfig, spec: ChainSpec) -> _Keys:
    keystore = None
    if not config.in_memory or config.keystore_path is not None:
        keystore = Keystore(config.keystore_directory(spec.id))
        _warn_of_readers(keystore.directory)
    if config.dev_key is None:
        return _Keys(keystore, AuthoringKeys(keystore), FinalityKeys(keystore))
    suri = f"//{config.dev_key.capitalize()}"
    extra = (KeyPair.from_suri(suri),)
    return _Keys(
        keystore,
        AuthoringKeys(keystore, extra),
        FinalityKeys(keystore, [KeyPair.from_suri(suri, "ed25519")]),
        extra,
    )


def _warn_of_readers(keystore: Path) -> None:
    """Say so if other users of this machine can look into the keystore, which is plain text."""
    try:
        mode = keystore.stat().st_mode
    except OSError:
        return  # it is made, closed to others, with the first key
    if mode & OTHERS:
        log.warning(f"other users can open the keystore: chmod 700 {keystore}")


def _signed_slots(config: NodeConfig, spec: ChainSpec) -> SignedSlots:
    """What this node signed; a chain in memory begins anew, and so does its memory of that."""
    return SignedSlots(None if config.in_memory else config.signed_slot_path(spec.id))


def _votes(config: NodeConfig, spec: ChainSpec) -> VoteStore:
    """What this node said of finality, remembered as long as its slots are."""
    return VoteStore(None if config.in_memory else config.votes_path(spec.id))


def _tune_collector() -> None:
    """Look for cyclic garbage less often: a full look stops everything for 0.2 s, measured.

    The caches of trie nodes are 10^5 objects and more that stay; what the program was made of when
    it started stays as well and is never looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def run(config: NodeConfig) -> None:
    """Run a node until it is told to stop. Raises ``CessError`` for what an operator can cure."""
    config.check()
    spec = load_spec(config.chain)
    try:
        with open_database(config, spec) as database:
            node = _Node(config, spec, database)
            _tune_collector()
            try:
                trio.run(node.main)
            finally:
                node.verifier.close()
                node.proofs.close()
    except* CessError as group:
        found: BaseException = group
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        raise found from None
    finally:
        if config.is_temporary:
            shutil.rmtree(config.base_path, ignore_errors=True)


class _Node:
    def __init__(self, config: NodeConfig, spec: ChainSpec, database: ChainDatabase) -> None:
        self.config = config
        self.spec = spec
        self.database = database
        self.keys = _keys(config, spec)
        self.verifier = SignatureWorkers(
            default_worker_count() if config.signature_workers is None else config.signature_workers
        )
        self.proofs = ProofThreads(default_thread_count())
        signed, self.votes = _signed_slots(config, spec), _votes(config, spec)
        self.twins = TwinWatch(
            last_signed=signed.last,
            patience=draw_patience(),
            is_on=config.watches_twins and config.is_authority,
        )
        self.chain = Chain(
            database,
            self.keys.finality,
            finalizes=config.finalizes and config.is_authority,
            verifier=self.verifier,
            proofs=self.proofs,
            signed=signed,
            votes=self.votes,
            twins=self.twins,
        )
        self.announcements = Announcements()
        self.started_s = int(time.time())

    async def main(self) -> None:
        """Everything, in one nursery."""
        self._banner()
        from node.network.libp2p import open_network  # a second that other commands do not need

        config = self.config.network
        place = None if self.config.in_memory else self.config.network_path(self.spec.id)
        async with open_network(
            config,
            key=config.load_key(place),
            genesis_hash=self.database.genesis_hash,
            fork_id=self.spec.fork_id,
            protocol_id=self.spec.protocol_id,
            boot_nodes=self.spec.boot_nodes,
            status=self._status,
            agent=f"{NODE_NAME}/{version()} ({self.config.name or 'unnamed'})",
            anchors=None if place is None else place / ANCHORS_FILE,
        ) as network:
            log.info(f"Local node identity is: {network.local_peer}")
            for address in network.addresses():
                log.info(f"Listening for peers at {address}")
            await self._run(network)

    async def _run(self, network: "Libp2pNetwork") -> None:
        config = self.config
        self.network = network
        self.reporter = Reporter(self.chain, self._submit_report)
        self.writer = ChainWriter(self.chain, self.announcements, self.reporter.report)
        self.pool = TransactionPool(
            Validator(self.chain),
            self.announcements,
            Limits(ready_count=config.pool_count, ready_bytes=config.pool_kib << 10),
        )
        self.sync = Synchroniser(
            network, self.writer, self.announcements, mode=SyncMode(config.network.sync)
        )
        self.gossip = TransactionGossip(network, self.pool, self.sync.is_major_syncing)
        self.finality = self._finality(network)
        self.server = self._server()
        serve_requests(network, self.database)
        async with trio.open_nursery() as nursery:
            await nursery.start(self._stop_on_signal, nursery.cancel_scope)
            await nursery.start(self.pool.follow_chain)
            nursery.start_soon(self.pool.validate_submissions)
            nursery.start_soon(self.writer.announce_finality)
            nursery.start_soon(self.reporter.run)
            await nursery.start(self._log_imports)
            nursery.start_soon(self._inform)
            if config.prometheus_port is not None:
                await self._start_metrics(nursery, config.prometheus_port)
            try:
                port = await nursery.start(self.server.listen)
            except OSError as error:
                raise PortInUse(
                    f"cannot listen at {config.rpc.host}:{config.rpc.port}: {error.strerror}; "
                    "choose another port with --rpc-port"
                ) from error
            log.info(f"Running JSON-RPC server: addr={config.rpc.host}:{port}")
            if config.is_authority:
                await self.writer.finalize_best()
            await nursery.start(self.finality.run)
            await nursery.start(self.sync.run)
            await nursery.start(self.gossip.run)
            if config.is_authority:
                self._check_keys()
                nursery.start_soon(
                    look_for_twins, self.twins, self.chain, self._publics, now_ms, self._is_hearing
                )
                nursery.start_soon(
                    author_blocks,
                    self.writer,
                    self.keys.authoring,
                    self.pool.ready,
                    self.pool.forget,
                    Conditions(
                        is_major_syncing=self.sync.is_major_syncing,
                        is_offline=lambda: not network.peers(),
                        is_forced=config.forces_authoring,
                    ),
                )

    def _publics(self) -> frozenset[bytes]:
        """The keys that this node signs with."""
        return self.keys.authoring.publics() | self.keys.finality.publics()

    def _is_hearing(self) -> bool:
        """Whether this node would hear of what is signed now."""
        is_in_step = not self.sync.is_major_syncing()
        return is_in_step and (self.config.forces_authoring or bool(self.network.peers()))

    def _finality(self, network: Network) -> FinalityShell:
        config, sync = self.config, self.sync
        return FinalityShell(
            network,
            self.writer,
            self.announcements,
            self.votes,
            is_voting=config.finalizes and config.is_authority,
            fetch=lambda peer, block: sync.fetch(peer, BlockId(Hash(block.hash), block.number)),
            is_major_syncing=sync.is_major_syncing,
            report=self.reporter.report,
        )

    def _status(self) -> Status:
        """What peers are told of this node."""
        best = self.database.settled_best()
        roles = Roles.AUTHORITY if self.config.is_authority else Roles.FULL
        return Status(roles, best.number, best.hash)

    async def _submit_report(self, extrinsic: bytes) -> None:
        await self.pool.submit(extrinsic, TransactionSource.Local)

    def _server(self) -> RpcServer:
        rpc = self.config.rpc
        context = RpcContext(
            chain=self.chain,
            pool=self.pool,
            announcements=self.announcements,
            spec=self.spec,
            keystore=self.keys.keystore,
            name=NODE_NAME,
            version=version(),
            is_authority=self.config.is_authority,
            starting_block=self.database.best().number,
            network=self.network,
            sync=self.sync,
            finality=self.finality.statistics,
            dev_keys=self.keys.extra,
        )
        limits = RpcLimits(
            request_bytes=rpc.request_mib * MIB,
            response_bytes=rpc.response_mib * MIB,
            batch_count=rpc.batch_count,
        )
        cors = rpc.cors
        return RpcServer(
            ServerConfig(
                host=rpc.host,
                port=rpc.port,
                connections_max=rpc.connections_max,
                subscription_count=rpc.subscription_count,
                event_count=rpc.event_count,
                rate_per_minute=rpc.rate_per_minute,
                cors=None if cors is None else cors or DEFAULT_CORS,
                local_hosts_only=not rpc.external,
            ),
            Dispatcher(registry(), context, limits=limits, deny_unsafe=rpc.deny_unsafe),
            self._health,
        )

    def _health(self) -> tuple[bool, bytes]:
        peers, is_syncing = len(self.network.peers()), self.sync.is_major_syncing()
        needs_peers = self.spec.chain_type != "Development"
        has_twin = self.twins.state is TwinState.SEEN
        body = encode_health(
            peers, is_syncing=is_syncing, should_have_peers=needs_peers, has_twin=has_twin
        )
        return not is_syncing and (peers > 0 or not needs_peers) and not has_twin, body

    def _banner(self) -> None:
        config, best = self.config, self.database.best()
        log.info(NODE_NAME)
        log.info(f"version {version()}")
        log.info(f"Chain specification: {self.spec.name}")
        log.info(f"Node name: {config.name or 'unnamed'}")
        log.info(f"Role: {'AUTHORITY' if config.is_authority else 'FULL'}")
        place = "memory" if config.in_memory else config.database_path(self.spec.id)
        log.info(f"Database: LevelDB at {place}")
        log.info(f"Genesis: 0x{self.database.genesis_hash.hex()}")
        log.info(f"Highest known block at #{best.number}")
        if config.is_authority and config.rpc.external and not config.rpc.deny_unsafe:
            log.warning("an authority offers unsafe RPC to the world: use --rpc-methods safe")

    def _check_keys(self) -> None:
        """Say so if this authority can never author."""
        best = self.chain.best_header()
        epoch = epoch_for(self.chain.runtime(best.hash()), 0)
        if not set(epoch.authorities) & self.keys.authoring.publics():
            log.warning(
                "no authoring key of this chain is in the keystore: this node produces no blocks; "
                "insert one with `cess key insert`, or start a development chain with --alice"
            )

    async def _start_metrics(self, nursery: trio.Nursery, port: int) -> None:
        host = "0.0.0.0" if self.config.prometheus_external else "127.0.0.1"  # noqa: S104
        try:
            actual = await nursery.start(metrics.serve, host, port, self._readings)
        except OSError as error:
            log.warning(
                f"no metrics: cannot listen at {host}:{port} ({error.strerror}); choose another "
                "port with --prometheus-port, or give --no-prometheus"
            )
        else:
            log.info(f"Prometheus exporter started at {host}:{actual}")

    def _readings(self) -> metrics.Readings:
        finalized = self.database.finalized().number
        voting = self.finality.statistics()
        received, sent = self.network.total_bytes()
        held, process = self.pool.core.stats(), metrics.process_now()
        return metrics.Readings(
            chain=self.spec.id,
            name=self.config.name or "unnamed",
            version=version(),
            is_authority=self.config.is_authority,
            started_s=self.started_s,
            best_number=self.database.best().number,
            finalized_number=finalized,
            ready_count=held.ready_count,
            future_count=held.future_count,
            pool_bytes=held.ready_bytes + held.future_bytes,
            submitted_count=self.pool.submitted_count,
            refused_count=self.pool.refused_count,
            waiting_count=self.pool.waiting_count,
            validated_count=self.pool.validated_count,
            pruned_count=self.pool.pruned_count,
            constructed_count=self.writer.constructed_count,
            constructed_seconds=self.writer.constructed_seconds,
            proposed_count=self.writer.proposed_count,
            import_count=self.writer.import_count,
            import_seconds=self.writer.import_seconds,
            memory_bytes=process.memory_bytes,
            cpu_seconds=process.cpu_seconds,
            file_count=process.file_count,
            rpc=self.server.dispatcher.counters,
            grandpa_round=0 if voting is None else voting.round,
            grandpa_prevotes=0 if voting is None else voting.prevote_weight,
            grandpa_precommits=0 if voting is None else voting.precommit_weight,
            peers_count=len(self.network.peers()),
            is_major_syncing=self.sync.is_major_syncing(),
            sync_target=self.sync.sync_state().highest_block,
            received_bytes=received,
            sent_bytes=sent,
            connections_opened=self.network.counters.connections_opened,
            propagated_count=self.gossip.sent_count,
            reported_count=self.reporter.reported_count,
            is_listening=self.twins.state is TwinState.LISTENING,
            has_twin=self.twins.state is TwinState.SEEN,
        )

    async def _stop_on_signal(
        self, scope: trio.CancelScope, *, task_status: trio.TaskStatus[None]
    ) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            task_status.started()
            async for number in signals:
                log.info(f"stopping on {signal.Signals(number).name}; once more kills")
                scope.cancel()
                return

    async def _log_imports(self, *, task_status: trio.TaskStatus[None]) -> None:
        started = False
        while True:
            with self.announcements.listen() as events:
                if not started:
                    task_status.started()
                    started = True
                async for event in events:
                    if isinstance(event, Finalized):
                        continue
                    number = int(event.header.number)
                    if event.route.retracted:
                        log.info(
                            f"Reorg on #{number}: {len(event.route.retracted)} blocks retracted",
                            best=short_hash(event.hash),
                        )
                    if event.is_new:
                        log.info(f"Imported #{number} ({short_hash(event.hash)})")

    async def _inform(self) -> None:
        before = self.database.best().number
        while True:
            await trio.sleep(INFORMANT_S)
            best, finalized = self.database.best(), self.database.finalized()
            peers = f"({len(self.network.peers())} peers)"
            doing = f"Idle {peers}"
            if self.sync.is_major_syncing():
                speed = max(0, best.number - before) / INFORMANT_S
                doing = f"Syncing {speed:.1f} bps, target=#{self.sync.best_seen()} {peers}"
            before = best.number
            log.info(
                f"{doing}, best: #{best.number} ({short_hash(best.hash)}), "
                f"finalized #{finalized.number} ({short_hash(finalized.hash)})"
            )
