"""The instructions of the shim: what each exported function does, see ``shim``.

A function of the shim takes the address and the length of its parameters and gives those of its
answer in one number. What it reads of the state it asks the host for. Parameters that are not what
they should be end in a trap, as in any runtime.

Bounds: an answer has ``ANSWER_BYTES_MAX`` bytes, beside the metadata, which have a place of their
own; a longer one is a trap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from node.runtime.wasm import I32, I64, Expression, Function, Module, const

__all__ = ["ANSWER_BYTES_MAX", "AnswerPart", "Computed", "Fallback", "Part", "Program", "Stored"]

ANSWER_BYTES_MAX: Final = 128 * 1024
"""The longest answer that is put together: two thousand authorities fit."""

KEY_BYTES_MAX: Final = 128


@dataclass(frozen=True, slots=True)
class Stored:
    """What the state holds under ``key``; ``default`` where it holds nothing."""

    key: bytes
    default: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes from ``begin`` to ``end`` of what is stored."""

    whole: Stored
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Fallback:
    """What the state holds under ``key``, or else under the key of ``other``."""

    key: bytes
    other: Stored


@dataclass(frozen=True, slots=True)
class Computed:
    """A number of 64 bits: ``plus``, and stored numbers, each of them so many times."""

    plus: int
    terms: Sequence[tuple[Stored, int]]


AnswerPart: TypeAlias = bytes | Stored | Part | Fallback | Computed
"""A part of an answer: fixed bytes, or what becomes of the state."""


class Program:
    """A module in the making, with what its functions share."""

    def __init__(self) -> None:
        module = self.module = Module()
        self.storage_get = module.import_function("ext_storage_get_version_1", (I64,), I64)
        self.blake2_128 = module.import_function("ext_hashing_blake2_128_version_1", (I64,), I32)
        self.blake2_256 = module.import_function("ext_hashing_blake2_256_version_1", (I64,), I32)
        self.twox_64 = module.import_function("ext_hashing_twox_64_version_1", (I64,), I32)
        verify = ((I32, I64, I32), I32)
        self.ed25519 = module.import_function("ext_crypto_ed25519_verify_version_1", *verify)
        self.sr25519 = module.import_function("ext_crypto_sr25519_verify_version_2", *verify)
        self.recover = module.import_function(
            "ext_crypto_secp256k1_ecdsa_recover_compressed_version_2", (I32, I32), I64
        )
        self.malloc = module.import_function("ext_allocator_malloc_version_1", (I32,), I32)
        self.answer = module.reserve(ANSWER_BYTES_MAX)
        self.key = module.reserve(KEY_BYTES_MAX)
        self.copy = self._make_copy()
        self.append = self._make_append()
        self.compact_end = self._make_compact_end()
        self.compact = self._make_compact()
        self.lookup = self._make_lookup()
        self.append_stored = self._make_append_stored()
        self.append_compact = self._make_append_compact()

    # Small tools.

    def fixed(self, content: bytes) -> Expression:
        """The address of fixed bytes."""
        return const(I32, self.module.data(content))

    def give(self, f: Function, address: Expression, length: Expression) -> None:
        """Return so many bytes at an address."""
        f.give(address.long() | (length.long() << 32))

    def give_built(self, f: Function, end: Expression) -> None:
        """Give what stands from the begin of the answer to ``end``."""
        begin = const(I32, self.answer)
        self.give(f, begin, end - begin)

    @staticmethod
    def require(f: Function, condition: Expression) -> None:
        """Trap unless ``condition`` holds."""
        with f.when(condition) as case:
            case.otherwise()
            f.trap()

    @staticmethod
    def span(address: Expression, length: Expression) -> Expression:
        """So many bytes at an address, in one number, as the host takes them."""
        return address.long() | (length.long() << 32)

    def _make_copy(self) -> Function:
        f = self.module.function((I32, I32, I32), None)
        to, source, length = f.parameters
        with f.loop_while(length > 7):
            f.put_quad(to, source.quad())
            f.set(to, to + 8)
            f.set(source, source + 8)
            f.set(length, length - 8)
        with f.loop_while(length):
            f.put_byte(to, source.byte())
            f.set(to, to + 1)
            f.set(source, source + 1)
            f.set(length, length - 1)
        return f

    def _make_append(self) -> Function:
        """``(at, source, length)``: put it there in the answer; the address after it."""
        f = self.module.function((I32, I32, I32), I32)
        at, source, length = f.parameters
        self.require(f, length <= const(I32, self.answer + ANSWER_BYTES_MAX) - at)
        f.do(self.copy, at, source, length)
        f.give(at + length)
        return f

    def _make_compact_end(self) -> Function:
        """Where the compact number at an address ends."""
        f = self.module.function((I32,), I32)
        (at,) = f.parameters
        first = f.local(I32, at.byte())
        mode = f.local(I32, first & 3)
        with f.when(mode.equals(3)):
            f.give(at + (first >> 2) + 5)
        f.give(at + (const(I32, 1) << mode))
        return f

    def _make_compact(self) -> Function:
        """The compact number at an address, if it has at most 32 bits; else a trap."""
        f = self.module.function((I32,), I32)
        (at,) = f.parameters
        mode = f.local(I32, at.byte() & 3)
        with f.when(mode.equals(0)):
            f.give(at.byte() >> 2)
        with f.when(mode.equals(1)):
            f.give((at.byte() | ((at + 1).byte() << 8)) >> 2)
        with f.when(mode.equals(2)):
            f.give(at.word() >> 2)
        self.require(f, at.byte().equals(3))
        f.give((at + 1).word())
        return f

    def _make_append_compact(self) -> Function:
        """``(at, value)``: put a compact number there; the address after it."""
        f = self.module.function((I32, I64), I32)
        at, value = f.parameters
        with f.when(value < 1 << 6):
            f.put_byte(at, (value << 2).short())
            f.give(at + 1)
        with f.when(value < 1 << 14):
            word = f.local(I32, ((value << 2) | 1).short())
            f.put_byte(at, word)
            f.put_byte(at + 1, word >> 8)
            f.give(at + 2)
        with f.when(value < 1 << 30):
            f.put_word(at, ((value << 2) | 2).short())
            f.give(at + 4)
        begin = f.local(I32, at)
        f.set(at, at + 1)
        with f.loop_while(value.differs(0)):
            f.put_byte(at, value.short())
            f.set(value, value >> 8)
            f.set(at, at + 1)
        with f.loop_while(at < begin + 5):
            f.put_byte(at, 0)
            f.set(at, at + 1)
        f.put_byte(begin, ((at - begin - 5) << 2) | 3)
        f.give(at)
        return f

    def _make_lookup(self) -> Function:
        """``(key, length)``: the span of what the state holds there, 0 where it holds nothing."""
        f = self.module.function((I32, I32), I64)
        key, length = f.parameters
        span = f.local(I64, self.storage_get(self.span(key, length)))
        at = f.local(I32, span.short())
        with f.when(at.byte().equals(0)):
            f.give(const(I64, 0))
        size = f.local(I32, self.compact(at + 1))
        f.set(at, self.compact_end(at + 1))
        self.give(f, at, size)
        return f

    def _make_append_stored(self) -> Function:
        """``(at, key, length, default, length)``: put a value or its default there."""
        f = self.module.function((I32, I32, I32, I32, I32), I32)
        at, key, key_length, default, default_length = f.parameters
        span = f.local(I64, self.lookup(key, key_length))
        with f.when(span.equals(0)):
            f.give(self.append(at, default, default_length))
        f.give(self.append(at, span.short(), (span >> 32).short()))
        return f

    # Answers from the state.

    def add_fixed(self, name: str, answer: bytes) -> None:
        """A function that always answers the same."""
        f = self.module.function((I32, I32), I64, export=name)
        self.give(f, self.fixed(answer), const(I32, len(answer)))

    def add_joined(self, name: str, parts: Sequence[AnswerPart]) -> None:
        """A function whose answer is its parts, one after the other."""
        f = self.module.function((I32, I32), I64, export=name)
        end = f.local(I32, self.answer)
        for part in parts:
            if isinstance(part, bytes):
                f.set(end, self.append(end, self.fixed(part), const(I32, len(part))))
            elif isinstance(part, Stored):
                f.set(end, self.stored(end, part))
            elif isinstance(part, Part):
                size = part.end - part.begin
                after = f.local(I32, self.stored(end, part.whole))
                self.require(f, after >= end + part.end)
                f.do(self.copy, end, end + part.begin, const(I32, size))
                f.set(end, end + size)
            elif isinstance(part, Fallback):
                found = f.local(I64, self.lookup(self.fixed(part.key), const(I32, len(part.key))))
                with f.when(found.differs(0)) as case:
                    f.set(end, self.append(end, found.short(), (found >> 32).short()))
                    case.otherwise()
                    f.set(end, self.stored(end, part.other))
            else:
                value = f.local(I64, part.plus)
                after = f.local(I32)
                for term, times in part.terms:
                    f.set(after, self.stored(end, term))
                    f.set(value, value + end.quad() * times)
                f.put_quad(end, value)
                f.set(end, end + 8)
        self.give_built(f, end)

    def stored(self, at: Expression, part: Stored) -> Expression:
        """Put what is stored at ``at`` in the answer; the address after it."""
        key, default = part.key, part.default
        return self.append_stored(
            at,
            self.fixed(key),
            const(I32, len(key)),
            self.fixed(default),
            const(I32, len(default)),
        )

    def account(self, f: Function, prefix: bytes, account: Expression) -> Expression:
        """The span of an account's entry, 0 without one."""
        key = const(I32, self.key)
        f.do(self.copy, key, self.fixed(prefix), const(I32, len(prefix)))
        at = key + len(prefix)
        f.do(self.copy, at, self.blake2_128(self.span(account, const(I32, 32))), const(I32, 16))
        f.do(self.copy, at + 16, account, const(I32, 32))
        return self.lookup(key, const(I32, len(prefix) + 48))

    def add_nonce(self, name: str, prefix: bytes) -> None:
        """The nonce of an account: the first word of its entry."""
        f = self.module.function((I32, I32), I64, export=name)
        account, length = f.parameters
        self.require(f, length.equals(32))
        span = f.local(I64, self.account(f, prefix, account))
        answer = const(I32, self.answer)
        f.put_word(answer, 0)
        with f.when(span.differs(0)):
            f.put_word(answer, span.short().word())
        self.give(f, answer, const(I32, 4))

    # Metadata.

    def add_metadata(self, packed: bytes, newest: bytes, older: bytes, versions: bytes) -> None:
        """``packed`` are both answers of ``Metadata_metadata_at_version``, the newest first."""
        both = len(newest) + len(older)
        place = self.module.reserve(both)
        unpack = self._make_unpack(self.module.data(packed), place)
        base = const(I32, place)
        f = self.module.function((I32, I32), I64, export="Metadata_metadata")
        f.do(unpack, const(I32, both))
        self.give(f, base + (len(newest) + 1), const(I32, len(older) - 1))
        f = self.module.function((I32, I32), I64, export="Metadata_metadata_at_version")
        at, length = f.parameters
        self.require(f, length.equals(4))
        # The version's byte stands after Some, the length and the magic number.
        for content, offset, until in ((newest, 0, len(newest)), (older, len(newest), both)):
            with f.when(at.word().equals(content[content.index(b"meta") + 4])):
                f.do(unpack, const(I32, until))
                self.give(f, base + offset, const(I32, len(content)))
        self.give(f, self.fixed(b"\0"), const(I32, 1))
        self.add_fixed("Metadata_metadata_versions", versions)

    def _make_unpack(self, source: int, place: int) -> Function:
        """``(length)``: unpack at least that many bytes, all of them at most."""
        number = self.module.function((I32,), I32)  # the end of a number of seven bits in a byte
        (at,) = number.parameters
        with number.loop_while(at.byte() & 0x80):
            number.set(at, at + 1)
        number.give(at + 1)
        value = self.module.function((I32,), I32)
        (at,) = value.parameters
        found, shift = value.local(I32), value.local(I32)
        with value.loop_while(at.byte() & 0x80):
            value.set(found, found | ((at.byte() & 0x7F) << shift))
            value.set(shift, shift + 7)
            value.set(at, at + 1)
        value.give(found | (at.byte() << shift))
        f = self.module.function((I32,), None)
        (wanted,) = f.parameters
        at, out = f.local(I32, source), f.local(I32, place)
        count, back = f.local(I32), f.local(I32)
        end = f.local(I32, wanted + place)
        with f.loop_while(out < end):
            f.set(count, value(at))
            f.set(at, number(at))
            f.do(self.copy, out, at, count)
            f.set(at, at + count)
            f.set(out, out + count)
            with f.when(out < end):
                f.set(count, value(at) + 4)
                f.set(at, number(at))
                f.set(back, out - value(at))
                f.set(at, number(at))
                with f.when((out - back) > 7) as case:
                    f.do(self.copy, out, back, count)
                    f.set(out, out + count)
                    case.otherwise()
                    with f.loop_while(count):
                        f.put_byte(out, back.byte())
                        f.set(out, out + 1)
                        f.set(back, back + 1)
                        f.set(count, count - 1)
        return f
