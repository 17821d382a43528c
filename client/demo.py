"""``make demo``: the whole story on one machine, with real processes, and an honest exit code.

One validator and twelve storage miners are started in a temporary directory. A file is sealed,
stored and shown; its owner claims it, and the claim of a near copy by somebody else is found out;
eight of the twelve holders are killed and the file is read back byte for byte; a fragment is
deleted behind the back of a holder that is left, and the chain finds and fines it.

Exit codes: 0 when every step held, 1 when one did not. Nothing is left running or on disk.
"""

import argparse
import filecmp
import gzip
import sys
import sysconfig
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread
import psutil

from client.chain import ChainClient, EventRecord
from client.cli.progress import Progress
from client.cli.session import amount, configure_logs, size_text
from client.devnet import Devnet, DevnetPlan, free_port, raise_on_signals
from client.overview import file_document
from client.storing import FRAGMENTS, StoredReceipt, store_file
from client.transfer.fetch import fetch_file, open_stored
from client.transfer.http import HolderHttp
from client.vault.envelope import envelope_bytes, padded_content_bytes
from client.vault.keys import VaultKey
from client.works import claim_work, fingerprint_file, show_certificate
from pallets.sminer import Sminer
from pallets.storage_handler import StorageHandler
from pallets.storage_handler.types import TerrName
from primitives.crypto.keys import KeyPair
from primitives.crypto.ss58 import ss58_decode
from primitives.errors import CessError
from primitives.scale import U32
from primitives.types import AccountId, Hash
from proofs.pois.params import plot_bytes

__all__ = ["main"]

MINERS: Final = 12
KILLED: Final = 8
RPC_PORT: Final = 19_944
DAYS: Final = 30
PLOT_K: Final = 18
SEGMENT_BYTES: Final = 4 << 20
FRAGMENT_BYTES: Final = 1 << 20
FILE_BYTES_MAX: Final = 64 << 20
FAULT_TIMEOUT_S: Final = 240.0
SKIPPED: Final = frozenset(
    {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "turtledemo"}
)


class DemoFailed(CessError):
    """A step did not do what it promises."""


def main() -> int:
    """Tell the story; the exit code says whether it is true."""
    parser = argparse.ArgumentParser(prog="python -m client.demo", description=__doc__)
    parser.add_argument("--file", type=Path, help="the file to store; default: Python's library")
    parser.add_argument("--rpc-port", type=int, help="default: the first free one from 19944 on")
    options = parser.parse_args()
    raise_on_signals()
    configure_logs(verbose=False)
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="cess-demo-") as directory:
            _run(Path(directory), options.file, options.rpc_port or free_port(RPC_PORT))
    except KeyboardInterrupt:
        _say("interrupted: everything was stopped")
        return 1
    except (CessError, OSError) as error:
        _say(f"FAILED: {error}")
        return 1
    left = psutil.Process().children(recursive=True)
    if left:
        _say(f"FAILED: {len(left)} processes are still running: {[item.pid for item in left]}")
        return 1
    _say(f"\nEvery step held. {time.monotonic() - began:.0f} s; nothing is left running.")
    return 0


def _run(directory: Path, given: Path | None, rpc_port: int) -> None:
    work = given if given is not None else _pack_library(directory / "python-library.tar")
    size = work.stat().st_size
    if not 0 < size <= FILE_BYTES_MAX:
        raise DemoFailed(f"{work} has {size} bytes; the demo takes 1 to {FILE_BYTES_MAX}")
    segments = -(-envelope_bytes(padded_content_bytes(size, SEGMENT_BYTES)) // SEGMENT_BYTES)
    # Two copies of the file, one fragment more for a holder that is drawn unluckily.
    plots = -(-(2 * segments + 1) * FRAGMENT_BYTES // plot_bytes(PLOT_K))
    plan = DevnetPlan(
        base_path=directory / "network", miners=MINERS, rpc_port=rpc_port, idle_plots=plots
    )
    with _step(f"A network: 1 validator and {MINERS} storage miners that prove their free space"):
        network = Devnet(plan, lambda text: _say(f"  {text}"))
        network.start()
    with network:
        try:
            anyio.run(_Story(network, directory, work, segments).tell, backend="trio")
        except BaseExceptionGroup as group:
            first: BaseException = group
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            raise first from None


class _Story:
    """What happens in the network, step by step."""

    def __init__(self, network: Devnet, directory: Path, work: Path, segments: int) -> None:
        self._network = network
        self._directory = directory
        self._work = work
        self._segments = segments
        self._alice = KeyPair.from_suri("//Alice")
        self._bob = KeyPair.from_suri("//Bob")
        self._names = {item["account"]: item["name"] for item in network.document()["miners"]}

    async def tell(self) -> None:
        """All of it. Raises: DemoFailed at the first step that does not hold."""
        async with ChainClient.open(self._network.rpc) as chain, HolderHttp.open() as holders:
            stored = await self._store(chain, holders, self._work, self._alice, "Alice")
            document = await self._show(chain, stored)
            certificate = await self._claim(chain, stored)
            await self._catch_copy(chain, holders, certificate)
            left = self._kill(document)
            await self._read_back(chain, holders, stored)
            await self._catch_cheat(chain, left[0])

    async def _store(
        self, chain: ChainClient, holders: HolderHttp, path: Path, who: KeyPair, name: str
    ) -> StoredReceipt:
        with _step(f"{name} leases space and stores {path.name}, {size_text(path.stat().st_size)}"):
            unit = int(await chain.constant("StorageHandler", "SpaceUnitBytes"))
            units = -(-FRAGMENTS * FRAGMENT_BYTES * self._segments // unit)
            call = chain.call(
                StorageHandler.mint_territory,
                gib_count=U32(units),
                territory_name=TerrName(b"default"),
                days=U32(DAYS),
            )
            await chain.submit(call, who)
            with Progress() as progress:
                receipt = await store_file(
                    chain,
                    holders,
                    path,
                    who,
                    territory="default",
                    is_public=False,
                    spool=self._directory / "uploads",
                    report=progress.update,
                )
            prepared = receipt.prepared
            _say(f"  fid 0x{prepared.fid.hex()}")
            _say(
                f"  sealed to {size_text(prepared.size)}, cut into {len(prepared.segments)} "
                f"segment(s) of {FRAGMENTS} fragments; every holder proved what it committed to"
            )
            return receipt

    async def _show(self, chain: ChainClient, stored: StoredReceipt) -> dict[str, Any]:
        with _step("Where the fragments lie; the chain drew the holders"):
            document = await file_document(chain, stored.prepared.fid, VaultKey.of(self._alice))
            for segment in document["segments"]:
                _say(f"  segment {segment['index']}")
                for item in segment["fragments"]:
                    kind = "data  " if item["index"] < FRAGMENTS // 3 else "parity"
                    _say(
                        f"    {item['index']:>2} {kind} {item['hash'][2:18]}…  "
                        f"{self._names[item['miner']]:<8} {item['endpoint']}"
                    )
            return document

    async def _claim(self, chain: ChainClient, stored: StoredReceipt) -> Hash:
        with _step("Alice claims the work: an MDRC certificate over its fingerprints"):
            found = await anyio.to_thread.run_sync(fingerprint_file, self._work)
            receipt = await claim_work(chain, found, stored.prepared.fid, self._alice)
            number = Hash(_event(receipt.events, "Claimed").data("certificate"))
            _say(f"  certificate 0x{number.hex()}")
            return number

    async def _catch_copy(self, chain: ChainClient, holders: HolderHttp, certificate: Hash) -> None:
        copy = self._directory / f"copy-of-{self._work.name}"
        await anyio.to_thread.run_sync(_near_copy, self._work, copy)
        stored = await self._store(chain, holders, copy, self._bob, "Bob")
        with _step("Bob claims his slightly changed copy as his own"):
            found = await anyio.to_thread.run_sync(fingerprint_file, copy)
            receipt = await claim_work(chain, found, stored.prepared.fid, self._bob)
            similar = _event(receipt.events, "SimilarWorkFound")
            if similar.data("earlier") != certificate:
                raise DemoFailed("the chain found another work than Alice's")
            number = Hash(_event(receipt.events, "Claimed").data("certificate"))
            shown = await show_certificate(chain, number)
            if shown["state"] != "contested":
                raise DemoFailed(f"Bob's certificate is {shown['state']}, not contested")
            _say(
                f"  SimilarWorkFound: {similar.fields['distance']} of 256 bits differ from "
                "Alice's earlier work; Bob's certificate is contested"
            )

    def _kill(self, document: dict[str, Any]) -> list[dict[str, Any]]:
        with _step(f"{KILLED} of {MINERS} holders die at once (SIGKILL)"):
            fragments: list[dict[str, Any]] = document["segments"][0]["fragments"]
            doomed = [self._names[item["miner"]] for item in fragments[:KILLED]]
            for name in doomed:
                self._network.kill_miner(name)
            _say(f"  gone: {', '.join(doomed)}, with all four data fragments of segment 0")
            return fragments[KILLED:]

    async def _read_back(
        self, chain: ChainClient, holders: HolderHttp, stored: StoredReceipt
    ) -> None:
        with _step("Alice reads the file back from the four that are left"):
            source = await open_stored(chain, holders, stored.prepared.fid)
            target = self._directory / "read-back"
            with Progress() as progress:
                fetched = await fetch_file(
                    source,
                    target,
                    key=VaultKey.of(self._alice),
                    progress=partial(progress.update, "fetching"),
                )
            same = await anyio.to_thread.run_sync(
                partial(filecmp.cmp, self._work, target, shallow=False)
            )
            if not same:
                raise DemoFailed("the file that came back is another one")
            _say(f"  {size_text(fetched.size)}, equal byte for byte; its name was {fetched.name!r}")

    async def _catch_cheat(self, chain: ChainClient, victim: dict[str, Any]) -> None:
        account = victim["miner"]
        who = ss58_decode(account)
        with _step(f"A fragment of {self._names[account]} is deleted behind its back"):
            before = await chain.read(Sminer.miner_items, who)
            if before is None:
                raise DemoFailed(f"{self._names[account]} is not registered")
            path = self._delete_fragment(account, victim["hash"].removeprefix("0x"))
            _say(f"  deleted {path.name[:16]}…; collateral {amount(int(before.collaterals))}")
            number = int(await chain.block_number())
            with anyio.move_on_after(FAULT_TIMEOUT_S):
                async with chain.heads() as heads:
                    async for head in heads:
                        while number < int(head.number):
                            number += 1
                            if await self._is_caught(chain, who, victim["hash"], number):
                                return
            raise DemoFailed(f"the loss was not found in {FAULT_TIMEOUT_S:.0f} s")

    async def _is_caught(
        self, chain: ChainClient, who: AccountId, fragment: str, number: int
    ) -> bool:
        """Whether block ``number`` faults ``who``, fines it and opens the fragment for repair.

        A fault for being too slow to answer is not what was planted: the story goes on waiting.
        """
        block, parent = await chain.block_hash(number), await chain.block_hash(number - 1)
        events = () if block is None else await chain.events(block)
        faults = [
            item
            for item in events
            if (item.pallet, item.name) == ("Audit", "Fault") and item.account("miner") == who
        ]
        lost = [
            item
            for item in events
            if (item.pallet, item.name) == ("FileBank", "GenerateRestoralOrder")
            and item.fields["fragment_hash"] == fragment
        ]
        if not faults or not lost:
            return False
        before = await chain.read(Sminer.miner_items, who, at=parent)
        after = await chain.read(Sminer.miner_items, who, at=block)
        if before is None or after is None or after.collaterals >= before.collaterals:
            raise DemoFailed(f"block {number} has the fault and no fine")
        fine = int(before.collaterals) - int(after.collaterals)
        _say(
            f"  block {number}: Audit.Fault ({faults[0].fields['kind']}); collateral "
            f"{amount(int(after.collaterals))}, {amount(fine)} lost; others may repair it now"
        )
        return True

    def _delete_fragment(self, account: str, fragment: str) -> Path:
        member = next(
            item for item in self._network.document()["miners"] if item["account"] == account
        )
        path = Path(member["data_dir"]) / "fragments" / fragment[:2] / fragment
        path.unlink()
        return path


def _event(events: tuple[EventRecord, ...], name: str) -> EventRecord:
    found = next((item for item in events if (item.pallet, item.name) == ("Mdrc", name)), None)
    if found is None:
        raise DemoFailed(f"the claim brought no {name}")
    return found


def _pack_library(target: Path) -> Path:
    """Python's own library, sources only: a real file that every machine has."""
    library = Path(sysconfig.get_path("stdlib"))
    with tarfile.open(target, "w") as archive:
        for path in sorted(library.rglob("*.py")):
            place = path.relative_to(library)
            if not SKIPPED.intersection(place.parts):
                archive.add(path, arcname=str(place))
    return target


def _near_copy(source: Path, target: Path) -> None:
    """The same work under another name: wherever it says whose it is, and a note at its end.

    Both names are equally long, so an archive of the library stays a valid archive.
    """
    data = source.read_bytes().replace(b"Python Software Foundation", b"Bob's Own Software Company")
    note = b"\nI made this, says Bob.\n"
    target.write_bytes(data + (gzip.compress(note) if data.startswith(b"\x1f\x8b") else note))


@contextmanager
def _step(title: str) -> Iterator[None]:
    began = time.monotonic()
    _say(f"\n{title}")
    yield
    _say(f"  ({time.monotonic() - began:.1f} s)")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
