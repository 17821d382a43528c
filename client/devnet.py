"""A whole network on one machine, of ordinary ``cess node`` and ``cess miner run`` processes.

A network lives under its base path: ``devnet.json`` (who runs, by process id and time of creation),
``chain-spec.json``, ``validators/<name>/`` and ``miners/<name>/``, each with its log and data. What
is there is found again by the next ``up``, so a chain goes on where it was stopped.

The processes end with the one that called ``Devnet.start``, whatever happens to that one. With
``--detach`` a supervisor of its own holds them, see ``supervise``. Of several validators some may
end, and the network goes on: whether it still makes blocks final is what one wants to see.

Miners know the RPC of all validators, and each prefers another one; ``client.env`` names them all
for the commands of owners.

Bounds: ``VALIDATORS_MAX`` validators (see `client.validators`);
``MINERS_MAX`` miners, because that many accounts are endowed on the development chain;
``ready_timeout_s`` until the network is ready.
"""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

import anyio
import structlog

from client.addresses import ENDPOINTS_MAX
from client.chain import ChainClient, ChainError, ChainLimits
from client.processes import (
    ProcessRecord,
    end_processes,
    processes_of,
    spawn,
    tail_of,
    wait_until_gone,
)
from client.validators import (
    SOUGHT_PEERS,
    VALIDATORS_MAX,
    Seat,
    node_arguments,
    read_spec,
    take_seat,
    write_boot_nodes,
)
from pallets.sminer import Sminer
from primitives.crypto.keys import KeyPair
from primitives.crypto.ss58 import ss58_encode
from primitives.errors import CessError
from primitives.types import AccountId

__all__ = [
    "MINERS_MAX",
    "Devnet",
    "DevnetFailed",
    "DevnetPlan",
    "devnet_down",
    "devnet_restart",
    "devnet_status",
    "free_port",
    "start_detached",
    "supervise",
]

STATE: Final = "devnet.json"
SPEC: Final = "chain-spec.json"
RESTART: Final = "restart"
"""Directory of requests: a file with the name of a validator asks for it to be started."""
CLIENT_PROFILE: Final = "client.env"
"""For a shell to read: the addresses of all validators, where commands look for them."""
SUPERVISOR_LOG: Final = "supervisor.log"
MINERS_MAX: Final = 32
MINER_PORTS_FROM: Final = 30_000
PORT_MAX: Final = 65_535
POLL_S: Final = 0.5
REPORT_S: Final = 5.0
P2P_PORTS_FROM: Final = 30_333
DECLARED_UNITS: Final = 1
SPACE: Final = "1GiB"
DOWN_TIMEOUT_S: Final = 40.0
RESTART_TIMEOUT_S: Final = 30.0
READY_LINE_BYTES: Final = 1 << 20

Report = Callable[[str], None]
Look = Callable[[ChainClient], Awaitable[str | None]]


class DevnetFailed(CessError):
    """The network could not be started, or one of its processes ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevnetPlan:
    """What to start."""

    base_path: Path
    miners: int = 12
    validators: int = 1
    rpc_port: int = 9944
    preset: str = "dev"
    idle_plots: int = 4
    ready_timeout_s: float = 600.0

    def check(self) -> None:
        """Raises: DevnetFailed for what cannot be."""
        if not 1 <= self.validators <= VALIDATORS_MAX:
            raise DevnetFailed(
                f"a development network has 1 to {VALIDATORS_MAX} validators, as each is a process "
                f"that executes every block: give --validators 1 to {VALIDATORS_MAX}"
            )
        if not 0 <= self.miners <= MINERS_MAX:
            raise DevnetFailed(f"a development network has 0 to {MINERS_MAX} miners")
        if not 1 <= self.rpc_port <= PORT_MAX:
            raise DevnetFailed(f"{self.rpc_port} is not a port")


@dataclass(slots=True)
class _Member:
    name: str
    record: ProcessRecord
    log: str
    directory: str
    account: str = ""
    endpoint: str = ""
    rpc: str = ""
    peer_id: str = ""


@dataclass(slots=True)
class _State:
    rpc: str
    chain_spec: str
    supervisor: ProcessRecord
    validators: list[_Member] = field(default_factory=list)
    miners: list[_Member] = field(default_factory=list)

    def members(self) -> list[_Member]:
        """Everybody, miners first, so that they see their node until they end."""
        return [*self.miners, *self.validators]


class Devnet:
    """A network whose processes belong to this one. Use it in a ``with`` block."""

    def __init__(self, plan: DevnetPlan, report: Report) -> None:
        plan.check()
        self.plan = plan
        self._report = report
        self._base = plan.base_path.absolute()
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._killed: set[str] = set()
        self._seats: dict[str, Seat] = {}
        self._state: _State | None = None

    def __enter__(self) -> "Devnet":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def rpc(self) -> str:
        """The address of the first validator."""
        return f"ws://127.0.0.1:{self.plan.rpc_port}"

    def start(self) -> dict[str, Any]:
        """Start everything, wait until it works, return the network's document.

        Raises: DevnetFailed; then nothing is left running.
        """
        _refuse_running(self._base)
        self._base.mkdir(parents=True, exist_ok=True)
        _refuse_taken(self.plan.rpc_port)
        spec = self._write_spec()
        self._state = _State(
            rpc=self.rpc, chain_spec=str(spec), supervisor=ProcessRecord.of(os.getpid())
        )
        try:
            self._start_validators(spec)
            for member in self._state.validators:
                self._wait(f"{member.name}'s first final block", self._is_in_step, member.rpc)
            self._write_profile()
            self._start_miners()
            self._wait("miners with certified space", self._has_idle_miners, self.rpc)
        except BaseException:
            self.stop()
            raise
        return self.document()

    def document(self) -> dict[str, Any]:
        """The network as ``cess devnet up`` prints it."""
        assert self._state is not None, "because start sets it"
        return _document(self._state)

    def kill_miner(self, name: str) -> None:
        """End a miner without warning, with everything that it started."""
        self._kill(next(item for item in self._require_state().miners if item.name == name))

    def kill_validator(self, name: str) -> None:
        """The same for a validator; ``restart_validator`` brings it back."""
        self._kill(next(item for item in self._require_state().validators if item.name == name))

    def restart_validator(self, name: str) -> None:
        """Start a validator that has ended, with the files that it left."""
        members = self._require_state().validators
        at = next(index for index, item in enumerate(members) if item.name == name)
        assert self._children[name].poll() is not None, "because it has ended"
        members[at] = self._spawn_validator(self._seats[name])
        self._killed.discard(name)
        self._save()

    def _restart_asked(self) -> None:
        """Start again whoever ``devnet_restart`` named."""
        for name in [member.name for member in self._require_state().validators]:
            request = self._base / RESTART / name
            if request.exists():
                request.unlink()
                if self._children[name].poll() is not None:
                    self.restart_validator(name)
                    self._report(f"{name} is back")

    def _kill(self, member: _Member) -> None:
        process = self._children[member.name]
        everyone = processes_of([member.record])
        process.kill()
        for found in everyone:
            if found.is_running():  # compares the time of creation, too
                found.kill()
        process.wait()
        self._killed.add(member.name)

    def wait_for_end(self) -> None:
        """Until a miner or the last validator has ended. Raises: DevnetFailed naming it."""
        while True:
            self._let_validators_go()
            self._check_alive()
            self._restart_asked()
            time.sleep(POLL_S)

    def _let_validators_go(self) -> None:
        """Tell of validators that have ended while others are left."""
        names = [member.name for member in self._require_state().validators]
        ended = {name for name in names if self._children[name].poll() is not None}
        left = len(names) - len(ended)
        if not left:
            return
        for name in sorted(ended - self._killed):
            self._killed.add(name)
            word = "goes on" if 3 * left > 2 * len(names) else "waits for more than two thirds"
            self._report(
                f"{name} ended with status {self._children[name].returncode}; {left} of "
                f"{len(names)} validators are left, and finality {word}"
            )

    def stop(self) -> None:
        """Stop every process; ends what does not stop by itself."""
        if self._state is None:
            return
        records = [member.record for member in self._state.members()]
        killed = end_processes(records)
        for child in self._children.values():
            child.wait()
        if killed:
            self._report(f"{len(killed)} processes did not stop by themselves and were ended")
        (self._base / STATE).unlink(missing_ok=True)
        self._state = None

    def _require_state(self) -> _State:
        assert self._state is not None, "because the network was started"
        return self._state

    def _write_spec(self) -> Path:
        spec, count = self._base / SPEC, self.plan.validators
        if not spec.exists():
            self._report("building the chain spec")
            made = subprocess.run(  # noqa: S603 - our own program
                [
                    *(*_CESS, "chain-spec", "build", "--chain", self.plan.preset),
                    *(() if count == 1 else ("--validators", str(count))),
                    *("-o", str(spec)),
                ],
                capture_output=True,
                check=False,
            )
            if made.returncode != 0:
                raise DevnetFailed(
                    f"the chain spec {self.plan.preset!r} cannot be built: "
                    f"{made.stderr.decode('utf-8', 'replace').strip()}"
                )
        found = read_spec(spec)[1]
        if found is not None and found != count:
            raise DevnetFailed(
                f"the chain in {self._base} was made with {found} validators: give --validators "
                f"{found}, or another --base-path for a new chain"
            )
        return spec

    def _start_validators(self, spec: Path) -> None:
        chain_id, _ = read_spec(spec)
        seats = []
        rpc_port, p2p_port = self.plan.rpc_port, free_port(P2P_PORTS_FROM)
        for index in range(self.plan.validators):
            seats.append(
                take_seat(
                    index,
                    self._base / "validators",
                    chain_id,
                    rpc_port=rpc_port,
                    p2p_port=p2p_port,
                )
            )
            rpc_port, p2p_port = free_port(rpc_port + 1), free_port(p2p_port + 1)
        write_boot_nodes(spec, [seat.address for seat in seats])
        self._seats = {seat.name: seat for seat in seats}
        for seat in seats:
            self._require_state().validators.append(self._spawn_validator(seat))
            self._save()

    def _spawn_validator(self, seat: Seat) -> _Member:
        is_alone = self.plan.validators == 1
        arguments = [*_CESS, "node", *node_arguments(seat, self._base / SPEC, is_alone=is_alone)]
        member = self._spawn(seat.name, arguments, seat.directory, seat.directory / "node.log")
        member.rpc, member.peer_id = seat.rpc, seat.peer_id
        return member

    def _write_profile(self) -> None:
        members = self._require_state().validators[:ENDPOINTS_MAX]
        addresses = ",".join(member.rpc for member in members)
        (self._base / CLIENT_PROFILE).write_text(f"export CESS_RPC={addresses}\n")

    def _start_miners(self) -> None:
        nodes = [member.rpc for member in self._require_state().validators]
        port = MINER_PORTS_FROM
        for index in range(self.plan.miners):
            name = f"miner{index}"
            port = free_port(port)
            endpoint = f"http://127.0.0.1:{port}"
            directory = self._base / "miners" / name
            directory.mkdir(parents=True, exist_ok=True)
            config = directory / "miner.toml"
            config.write_text(_miner_config(nodes, index, port, endpoint, self.plan.idle_plots))
            arguments = [*_CESS, "miner", "run", "--config", str(config)]
            member = self._spawn(name, arguments, directory / "data", directory / "miner.log")
            member.endpoint = endpoint
            member.account = ss58_encode(_miner_account(index))
            self._require_state().miners.append(member)
            self._save()
            port += 1

    def _spawn(self, name: str, arguments: list[str], directory: Path, log: Path) -> _Member:
        child = spawn(arguments, log)
        self._children[name] = child
        return _Member(
            name=name,
            record=ProcessRecord.of(child.pid),
            log=str(log),
            directory=str(directory),
        )

    def _save(self) -> None:
        unfinished = self._base / (STATE + ".part")
        unfinished.write_text(json.dumps(asdict(self._require_state())))
        unfinished.replace(self._base / STATE)

    def _check_alive(self) -> None:
        for member in self._require_state().members():
            code = self._children[member.name].poll()
            if code is not None and member.name not in self._killed:
                raise DevnetFailed(
                    f"{member.name} ended with status {code}; its log {member.log} ends with:\n"
                    f"{tail_of(Path(member.log))}"
                )

    def _wait(self, what: str, look: Look, url: str) -> None:
        """Until ``look`` at a node says None; it says what is missing otherwise."""
        anyio.run(self._watch, what, look, url, backend="trio")

    async def _watch(self, what: str, look: Look, url: str) -> None:
        deadline = time.monotonic() + self.plan.ready_timeout_s
        reported = 0.0
        missing: str | None = "no answer yet"
        limits = ChainLimits(connect_timeout_s=20.0, request_timeout_s=20.0, connections_max=1)
        while missing is not None:
            try:
                async with ChainClient.open(url, limits=limits) as chain:
                    while (missing := await look(chain)) is not None:
                        reported = self._tell_missing(what, missing, deadline, reported)
                        await anyio.sleep(POLL_S)
            except ChainError as error:
                missing = str(error)
                reported = self._tell_missing(what, missing, deadline, reported)
                await anyio.sleep(POLL_S)

    def _tell_missing(self, what: str, missing: str, deadline: float, reported: float) -> float:
        """Check that it can still come, and tell now and then; when it was told last."""
        self._check_alive()
        now = time.monotonic()
        if now > deadline:
            raise DevnetFailed(f"the network is not ready: {missing}; see the logs in {self._base}")
        if now - reported < REPORT_S:
            return reported
        self._report(f"waiting for {what}: {missing}")
        return now

    async def _is_in_step(self, chain: ChainClient) -> str | None:
        """Whether a validator is connected with others and sees blocks become final."""
        sought = min(self.plan.validators - 1, SOUGHT_PEERS)
        if sought:
            peers = int((await chain.rpc("system_health"))["peers"])
            if peers < sought:
                return f"{peers} others are connected, and {sought} are sought"
        number = int((await chain.header(await chain.finalized_head())).number)
        return None if number >= 1 else "no block is final yet"

    async def _has_idle_miners(self, chain: ChainClient) -> str | None:
        accounts = [_miner_account(index) for index in range(self.plan.miners)]
        fragment = int(await chain.constant("FileBank", "FragmentBytes"))
        found = await chain.read_many(Sminer.miner_items, accounts)
        ready = sum(
            info is not None and int(info.idle_space) + int(info.service_space) >= fragment
            for info in found
        )
        return None if ready == len(accounts) else f"{ready} of {len(accounts)} miners are ready"


def devnet_status(base_path: Path) -> dict[str, Any]:
    """What is recorded under ``base_path``, and who of them runs. Raises: DevnetFailed."""
    state = _load(base_path.absolute())
    if state is None:
        raise DevnetFailed(
            f"no network runs in {base_path}; start one with "
            f"`cess devnet up --base-path {base_path}`"
        )
    document = _document(state)
    for member, shown in zip(
        [*state.validators, *state.miners],
        [*document["validators"], *document["miners"]],
        strict=True,
    ):
        shown["running"] = member.record.find() is not None
    return document


def devnet_down(base_path: Path) -> dict[str, Any]:
    """Stop the network of ``base_path``; nothing of it runs afterwards."""
    base = base_path.absolute()
    state = _load(base)
    if state is None:
        return {"stopped": 0}
    records = [member.record for member in state.members()]
    running = sum(record.find() is not None for record in records)
    supervisor = state.supervisor.find()
    if supervisor is not None and supervisor.pid != os.getpid():
        supervisor.send_signal(signal.SIGTERM)
        wait_until_gone(state.supervisor, DOWN_TIMEOUT_S)
    end_processes(records)
    (base / STATE).unlink(missing_ok=True)
    return {"stopped": running}


def devnet_restart(base_path: Path, name: str) -> dict[str, Any]:
    """Have a validator that has ended started again; return the network. Raises: DevnetFailed."""
    base = base_path.absolute()
    before = _find_validator(base, name)
    if before.record.find() is not None:
        raise DevnetFailed(f"{name} runs already, as process {before.record.pid}")
    request = base / RESTART / name
    request.parent.mkdir(exist_ok=True)
    request.touch()
    deadline = time.monotonic() + RESTART_TIMEOUT_S
    while _find_validator(base, name).record == before.record:
        if time.monotonic() > deadline:
            request.unlink(missing_ok=True)
            raise DevnetFailed(
                f"{name} was not started in {RESTART_TIMEOUT_S:.0f} s; see {base / SUPERVISOR_LOG}"
            )
        time.sleep(POLL_S)
    return devnet_status(base_path)


def _find_validator(base: Path, name: str) -> _Member:
    state = _load(base)
    if state is None or state.supervisor.find() is None:
        raise DevnetFailed(
            f"no network runs in {base}; start one with `cess devnet up --base-path {base}`"
        )
    found = [member for member in state.validators if member.name == name]
    if not found:
        names = ", ".join(member.name for member in state.validators)
        raise DevnetFailed(f"this network has no validator {name!r}; it has {names}")
    return found[0]


def start_detached(plan: DevnetPlan) -> dict[str, Any]:
    """Start the network under a supervisor that outlives this process; return its document.

    If this process ends before the network is ready, the supervisor stops everything.
    Raises: DevnetFailed.
    """
    plan.check()
    _refuse_running(plan.base_path.absolute())
    plan.base_path.mkdir(parents=True, exist_ok=True)
    request = {**asdict(plan), "base_path": str(plan.base_path.absolute())}
    log = plan.base_path / SUPERVISOR_LOG
    with log.open("ab") as out:
        supervisor = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "client.devnet", json.dumps(request)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=out,
            start_new_session=True,
        )
    assert supervisor.stdout is not None, "because a pipe was asked for"
    assert supervisor.stdin is not None, "because a pipe was asked for"
    line = supervisor.stdout.readline(READY_LINE_BYTES)
    if not line:
        supervisor.wait()
        raise DevnetFailed(f"the network did not start: {tail_of(log)}")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        supervisor.wait()
        raise DevnetFailed(answer["error"])
    supervisor.stdin.write(b"go\n")
    supervisor.stdin.close()
    return answer


def supervise(plan: DevnetPlan) -> int:
    """Hold a detached network until SIGTERM, or until one of its processes ends."""
    raise_on_signals()
    with Devnet(plan, _log_line) as network:
        try:
            document = network.start()
        except CessError as error:
            _log_line(str(error))
            sys.stdout.write(json.dumps({"error": str(error)}) + "\n")
            sys.stdout.flush()
            return 1
        sys.stdout.write(json.dumps(document) + "\n")
        sys.stdout.flush()
        if sys.stdin.readline().strip() != "go":
            _log_line("whoever asked for the network is gone: stopping it")
            return 1
        try:
            network.wait_for_end()
        except CessError as error:
            _log_line(str(error))
            return 1
    return 0


def raise_on_signals() -> None:
    """Let SIGTERM and SIGHUP end this process as Ctrl-C does, so that clean-up runs."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


_CESS: Final = (sys.executable, "-m", "client.cli")


def _document(state: _State) -> dict[str, Any]:
    return {
        "rpc": state.rpc,
        "gateway": None,
        "chain_spec": state.chain_spec,
        "validators": [
            {
                "name": item.name,
                "pid": item.record.pid,
                "base_path": item.directory,
                "rpc": item.rpc,
                "peer_id": item.peer_id,
            }
            for item in state.validators
        ],
        "miners": [
            {
                "name": item.name,
                "account": item.account,
                "pid": item.record.pid,
                "endpoint": item.endpoint,
                "data_dir": item.directory,
            }
            for item in state.miners
        ],
    }


def _load(base: Path) -> _State | None:
    try:
        raw = json.loads((base / STATE).read_text())
        return _State(
            rpc=raw["rpc"],
            chain_spec=raw["chain_spec"],
            supervisor=ProcessRecord(**raw["supervisor"]),
            validators=[_member(item) for item in raw["validators"]],
            miners=[_member(item) for item in raw["miners"]],
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise DevnetFailed(f"{base / STATE} is damaged ({error}); remove it") from None


def _member(raw: dict[str, Any]) -> _Member:
    return _Member(**{**raw, "record": ProcessRecord(**raw["record"])})


def _refuse_running(base: Path) -> None:
    state = _load(base)
    if state is not None and any(item.record.find() for item in state.members()):
        raise DevnetFailed(
            f"a network runs in {base} already; stop it with `cess devnet down --base-path {base}`"
        )


def _refuse_taken(port: int) -> None:
    if not _is_free(port):
        raise DevnetFailed(f"port {port} is taken; choose another one with --rpc-port")


def free_port(first: int) -> int:
    """The first port from ``first`` on that nobody listens at. Raises: DevnetFailed."""
    for port in range(first, PORT_MAX + 1):
        if _is_free(port):
            return port
    raise DevnetFailed(f"no port from {first} on is free")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _miner_account(index: int) -> AccountId:
    return KeyPair.from_suri(f"//Miner{index}").account_id


def _miner_config(
    nodes: Sequence[str], index: int, port: int, endpoint: str, idle_plots: int
) -> str:
    first = index % len(nodes)
    return "".join(
        f"{name} = {json.dumps(value)}\n"
        for name, value in {
            "rpc": [*nodes[first:], *nodes[:first]][:ENDPOINTS_MAX],
            "suri": f"//Miner{index}",
            "data_dir": "data",
            "space": SPACE,
            "declared_units": DECLARED_UNITS,
            "idle_plots": idle_plots,
            "host": "127.0.0.1",
            "port": port,
            "endpoint": endpoint,
            "workers": 1,
        }.items()
    )


def _log_line(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
    settings = json.loads(sys.argv[1])
    try:
        status = supervise(DevnetPlan(**{**settings, "base_path": Path(settings["base_path"])}))
    except KeyboardInterrupt:
        status = 0
    sys.exit(status)
