"""The work that is done in worker processes: what is asked, what comes back, and doing it.

Jobs and results are small frozen values that travel as one line of JSON each; bulk bytes stay on
the disk and only paths travel. `perform` does a job in the calling process, holding the interpreter
lock for most of the time: that is why workers exist.

A service proof never leaves here unverified: it is checked against the commitments on chain, and
when it does not hold, the fragments are hashed, those that rotted are named as faulty, and the rest
is proved again.

A process begins with the quick prover and turns to the tables of `proofs.podr2.fixed_base`, which
take 0.8 s to make, after QUICK_ROWS_MAX rows. That is what they save over so many rows, 60 ms each:
a process never spends more than twice what the better choice would have cost.

Bounds: ROWS_MAX rows in a service job, READ_AHEAD_ROWS of them open and the one before in memory;
MESSAGE_BYTES_MAX a line.
"""

import hashlib
import os
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import orjson
import structlog

from primitives.errors import CessError, DecodeError, ProofRejected, StorageCorrupt
from primitives.types import FragmentHash

from .store.files import read_ahead
from .store.scrub import Finding, examine

log = structlog.get_logger(__name__)

MESSAGE_BYTES_MAX = 4 << 20
FRAGMENT_BYTES_MAX = 128 << 20
ROWS_MAX = 1024
QUICK_ROWS_MAX = 14
READ_AHEAD_ROWS = 16


@dataclass(frozen=True, slots=True)
class CommitJob:
    """Commit to the rows of the fragment in the file `path`."""

    path: str
    fragment_hash: str


@dataclass(frozen=True, slots=True)
class OpenJob:
    """Open a fragment's commitments at the point of a sender's nonce. Hex without prefix."""

    path: str
    fragment_hash: str
    commitments: list[str]
    nonce: str


@dataclass(frozen=True, slots=True)
class AskedRow:
    """Row `row` of a fragment, asked at `index` of the sampled positions."""

    index: int
    path: str
    fragment_hash: str
    row: int
    commitment: str


@dataclass(frozen=True, slots=True)
class ServiceJob:
    """Answer the service part of a round about `rows`, ascending by index."""

    seed: str
    fragment_bytes: int
    rows: list[AskedRow]


@dataclass(frozen=True, slots=True)
class IdleJob:
    """Answer `draws` draws over the plots `front` up to, not including, `rear`."""

    genesis: str
    miner: str
    k: int
    seed: str
    front: int
    rear: int
    draws: int
    plots: list[str]


@dataclass(frozen=True, slots=True)
class Commitments:
    """One commitment for each row, in hex."""

    commitments: list[str]


@dataclass(frozen=True, slots=True)
class Opened:
    """A transfer opening, in hex."""

    y: str
    proof: str


@dataclass(frozen=True, slots=True)
class ServiceProved:
    """A service answer. `faulty` are indexes of positions, `damaged` hashes of their fragments.

    `unreadable` are those of `damaged` that the disk refused to read.
    """

    faulty: list[int]
    damaged: list[str]
    unreadable: list[str]
    y: str
    proof: str


@dataclass(frozen=True, slots=True)
class IdleProved:
    """Idle answers as (draw, proof in hex), and the indexes of plots to be made again."""

    answers: list[tuple[int, str]]
    damaged: list[int]


@dataclass(frozen=True, slots=True)
class Failed:
    """The job cannot be done; doing it again changes nothing. `message` is for people."""

    message: str


Job: TypeAlias = CommitJob | OpenJob | ServiceJob | IdleJob
Result: TypeAlias = Commitments | Opened | ServiceProved | IdleProved | Failed

_JOBS: dict[str, type[Any]] = {kind.__name__: kind for kind in (CommitJob, OpenJob, IdleJob)}
_RESULTS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (Commitments, Opened, ServiceProved, IdleProved, Failed)
}


def encode(message: Job | Result) -> bytes:
    """One line of JSON, with its line feed."""
    body = {"kind": type(message).__name__, **asdict(message)}
    return orjson.dumps(body) + b"\n"


def decode_job(line: bytes) -> Job:
    """What `encode` wrote. Raises: DecodeError."""
    kind, fields = _split(line)
    try:
        if kind == ServiceJob.__name__:
            rows = [AskedRow(**row) for row in fields.pop("rows")]
            return ServiceJob(rows=rows, **fields)
        job: Job = _JOBS[kind](**fields)
    except (KeyError, TypeError) as error:
        raise DecodeError(f"no job: {error}") from error
    return job


def decode_result(line: bytes) -> Result:
    """What `encode` wrote. Raises: DecodeError."""
    kind, fields = _split(line)
    try:
        if kind == IdleProved.__name__:
            fields["answers"] = [(int(t), str(proof)) for t, proof in fields["answers"]]
        result: Result = _RESULTS[kind](**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise DecodeError(f"no result: {error}") from error
    return result


def _split(line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        body = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise DecodeError(f"a worker spoke no JSON: {error}") from error
    if not isinstance(body, dict) or not isinstance(body.get("kind"), str):
        raise DecodeError("a worker's message has no kind")
    return body.pop("kind"), body


class Prover:
    """Does jobs, and remembers how much it did. One for a process."""

    def __init__(self, quick_rows_max: int = QUICK_ROWS_MAX) -> None:
        self._quick_rows_left = quick_rows_max

    def perform(self, job: Job) -> Result:
        """Do a job. Expected failures come back as `Failed`."""
        try:
            match job:
                case CommitJob():
                    return _commit(job, self)
                case OpenJob():
                    return _open(job, self)
                case ServiceJob():
                    return _prove_service(job, self)
                case IdleJob():
                    return _prove_idle(job)
        except (CessError, OSError, ValueError) as error:
            return Failed(str(error) or type(error).__name__)

    def is_quick(self, rows: int) -> bool:
        """Whether the next `rows` multiplications are done by the quick prover."""
        is_quick = self._quick_rows_left >= rows
        self._quick_rows_left -= rows
        if not is_quick:
            _tell_of_tables()
        return is_quick


@cache
def _tell_of_tables() -> None:
    """Say once why this process commits without tables, if it does."""
    from proofs.podr2.fixed_base import why_without

    reason = why_without()
    if reason:
        log.warning("commitments take longer than they could: no tables", reason=reason)


def _read_fragment(path: str, fragment_hash: str) -> bytes:
    """A fragment whose bytes have its hash. Raises: StorageCorrupt, OSError."""
    with Path(path).open("rb") as file:
        data = file.read(FRAGMENT_BYTES_MAX + 1)
    if hashlib.sha256(data).hexdigest() != fragment_hash:
        raise StorageCorrupt(f"the fragment {path} has changed on the disk; send it again")
    return data


def _commit(job: CommitJob, prover: Prover) -> Commitments:
    from proofs.podr2.commit import commit_fragment
    from proofs.podr2.params import row_count
    from proofs.podr2.quick import commit_fragment_quickly

    data = _read_fragment(job.path, job.fragment_hash)
    is_quick = prover.is_quick(row_count(len(data)))
    commit = commit_fragment_quickly if is_quick else commit_fragment
    return Commitments([item.hex() for item in commit(data)])


def _open(job: OpenJob, prover: Prover) -> Opened:
    from proofs.podr2.commit import open_transfer
    from proofs.podr2.quick import open_transfer_quickly

    data = _read_fragment(job.path, job.fragment_hash)
    open_at = open_transfer_quickly if prover.is_quick(1) else open_transfer
    opening = open_at(
        data,
        bytes.fromhex(job.fragment_hash),
        [bytes.fromhex(item) for item in job.commitments],
        bytes.fromhex(job.nonce),
    )
    return Opened(opening.y.hex(), opening.proof.hex())


# The service part.


def _prove_service(job: ServiceJob, prover: Prover) -> ServiceProved:
    if len(job.rows) > ROWS_MAX:
        raise ValueError(f"{len(job.rows)} rows exceed {ROWS_MAX}")
    states = {row.fragment_hash: _Found.unknown for row in job.rows}
    for row in job.rows:
        if states[row.fragment_hash] is _Found.unknown:
            states[row.fragment_hash] = _look(row.path, job.fragment_bytes)
    answer = _try_prove(job, states, prover)
    if answer is not None:
        return answer
    for row in job.rows:
        if states[row.fragment_hash] is _Found.present:
            states[row.fragment_hash] = _examine(row.path, row.fragment_hash)
    answer = _try_prove(job, states, prover)
    if answer is None:
        raise StorageCorrupt(
            "the proof does not hold although every fragment has its hash; the commitments on "
            "chain are of other bytes"
        )
    return answer


class _Found(Enum):
    """What is known of a fragment: not looked at, of the right length, sound, or of no use."""

    unknown = "unknown"
    present = "present"
    sound = "sound"
    damaged = "damaged"
    unreadable = "unreadable"


_USABLE = (_Found.present, _Found.sound)


def _try_prove(job: ServiceJob, states: dict[str, _Found], prover: Prover) -> ServiceProved | None:
    """The verified answer without the fragments of no use; None when it does not hold."""
    from proofs.podr2 import challenge
    from proofs.podr2.prove import prove
    from proofs.podr2.quick import prove_quickly
    from proofs.podr2.verify import verify

    faulty = [row.index for row in job.rows if states[row.fragment_hash] not in _USABLE]
    asked = [row for row in job.rows if states[row.fragment_hash] in _USABLE]
    damaged = [name for name, state in states.items() if state not in _USABLE]
    unreadable = [name for name in damaged if states[name] is _Found.unreadable]
    if not asked:
        return ServiceProved(faulty, damaged, unreadable, bytes(32).hex(), bytes(48).hex())
    seed = bytes.fromhex(job.seed)
    weights = challenge.coefficients(seed, max(row.index for row in asked) + 1)
    chosen = [weights[row.index] for row in asked]
    z = challenge.evaluation_point(seed)
    try:
        combine_and_open = prove_quickly if prover.is_quick(1) else prove
        proof = combine_and_open(_stream(asked, job.fragment_bytes), chosen, z)
        verify([bytes.fromhex(row.commitment) for row in asked], chosen, z, proof)
    except (ProofRejected, OSError, ValueError):
        return None
    return ServiceProved(faulty, damaged, unreadable, proof.y.hex(), proof.proof.hex())


def _stream(rows: Sequence[AskedRow], fragment_bytes: int) -> Generator[bytes, None, None]:
    """The bytes of the rows, one after another, so that memory stays at some rows.

    The system is asked for READ_AHEAD_ROWS rows ahead, so that the disk works while we combine.
    """
    from proofs.podr2.params import ROW_BYTES

    ahead: deque[tuple[int, int, int]] = deque()
    coming = iter(rows)

    def request() -> None:
        row = next(coming, None)
        if row is not None:
            start = row.row * ROW_BYTES
            length = min(ROW_BYTES, fragment_bytes - start)
            descriptor = os.open(row.path, os.O_RDONLY | os.O_CLOEXEC)
            ahead.append((descriptor, start, length))
            read_ahead(descriptor, start, length)

    try:
        for _ in range(READ_AHEAD_ROWS):
            request()
        while ahead:
            descriptor, start, length = ahead[0]
            data = os.pread(descriptor, length, start)
            os.close(descriptor)
            ahead.popleft()
            request()
            yield data
    finally:
        for descriptor, _, _ in ahead:
            os.close(descriptor)


def _look(path: str, length: int) -> _Found:
    try:
        is_whole = Path(path).stat().st_size == length
    except (FileNotFoundError, NotADirectoryError):
        return _Found.damaged
    except OSError:
        return _Found.unreadable
    return _Found.present if is_whole else _Found.damaged


def _examine(path: str, fragment_hash: str) -> _Found:
    finding = examine(Path(path), FragmentHash(bytes.fromhex(fragment_hash))).finding
    match finding:
        case Finding.sound:
            return _Found.sound
        case Finding.unreadable:
            return _Found.unreadable
        case _:
            return _Found.damaged


# The idle part.


def _prove_idle(job: IdleJob) -> IdleProved:
    from proofs.pois.challenge import idle_draws, plot_seed
    from proofs.pois.plot import PlotFile, plot_name

    genesis, miner = bytes.fromhex(job.genesis), bytes.fromhex(job.miner)
    plots: dict[int, PlotFile | None] = {}
    damaged: dict[int, bool] = {}
    answers: list[tuple[int, str]] = []
    for draw in idle_draws(bytes.fromhex(job.seed), job.front, job.rear, job.draws):
        if draw.index in damaged:
            continue
        try:
            if draw.index not in plots:
                name = plot_name(plot_seed(genesis, miner, draw.index, job.k), job.k)
                plots[draw.index] = PlotFile(_find(job.plots, name))
            plot = plots[draw.index]
            proof = None if plot is None else plot.prove(draw.challenge)
        except (OSError, StorageCorrupt):
            damaged[draw.index] = True
            continue
        if proof is not None:
            answers.append((draw.t, proof.hex()))
    return IdleProved(answers, list(damaged))


def _find(directories: Sequence[str], name: str) -> Path:
    """A plot in the first directory that has it. Raises: FileNotFoundError."""
    for directory in directories:
        path = Path(directory) / name
        if path.exists():
            return path
    raise FileNotFoundError(name)
