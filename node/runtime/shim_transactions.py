"""What the shim says of transactions: whether they are valid, and what they cost.

It repeats the native rules (``pallets.frame.executive``, ``pallets.transaction_payment``) as far as
they do not look into a call: signature, era, nonce, limits and fee. A call is known by its two
indices only. Where its weight depends on its arguments, that weight is an estimate; everything else
is exact, to the byte. Arithmetic saturates where that of the chain does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from node.runtime.shim_code import Program, Stored
from node.runtime.wasm import I32, I64, Expression, Function, const

__all__ = ["CallWeight", "FeeRules", "TransactionRules", "Transactions"]

NUMBER_BYTES: Final = 16
"""Of an amount. A product has twice as many."""

ENTRY: Final = 24
"""Bytes of an entry of the table of calls: indices, class, whether it pays, two weights."""

PAYLOAD_BYTES_MAX: Final = 256
ECDSA: Final = 2
OPERATIONAL, MANDATORY = 1, 2
BILLION: Final = 10**9
TAG: Final = b"\x90"
"""The compact length of a tag: an account and a nonce."""

# Of InvalidTransaction and UnknownTransaction.
PAYMENT, STALE, BAD_PROOF, ANCIENT_BIRTH, EXHAUSTS, MANDATORY_VALIDATION, BAD_SIGNER = (
    *(1, 3, 4, 5, 6, 9, 10),
)
CANNOT_LOOKUP, NO_VALIDATOR = 0, 1


@dataclass(frozen=True, slots=True)
class CallWeight:
    """What a call weighs; ``kind`` is its class, ``pays`` whether it costs a fee."""

    pallet: int
    call: int
    kind: int
    pays: bool
    ref_time: int
    proof_size: int

    def entry(self) -> bytes:
        """Its bytes in the table."""
        head = bytes((self.pallet, self.call, self.kind, self.pays, 0, 0, 0, 0))
        return head + self.ref_time.to_bytes(8, "little") + self.proof_size.to_bytes(8, "little")


@dataclass(frozen=True, slots=True)
class FeeRules:
    """How fees follow from weights and lengths; amounts are planck, bases are by class."""

    base_fees: Sequence[int]
    length_fee: int
    weight_fee: int
    ref_time_max: int
    ecdsa_ref_time: int
    multiplier: Stored
    calls: Sequence[CallWeight]


@dataclass(frozen=True, slots=True)
class TransactionRules:
    """What a transaction must be to be valid; limits are by class."""

    number: Stored
    account_prefix: bytes
    hash_prefix: bytes
    hashes_kept: int
    versions: bytes
    length_max: Sequence[int]
    call_ref_time_max: Sequence[int]
    deposit: int
    operational_multiplier: int


class Transactions:
    """The functions about transactions, added to a program."""

    def __init__(self, program: Program, fees: FeeRules, rules: TransactionRules) -> None:
        self._program = program
        self._module = program.module
        self._fees = fees
        self._rules = rules
        place = self._module.reserve
        self._signed, self._account, self._kind, self._signature = (place(4) for _ in range(4))
        self._extra, self._era, self._nonce = (place(4) for _ in range(3))
        self._call, self._call_length = place(4), place(4)
        self._tip, self._left, self._right = (place(NUMBER_BYTES) for _ in range(3))
        self._product = place(2 * NUMBER_BYTES)
        self._base_fee, self._length_fee, self._weight_fee = (place(NUMBER_BYTES) for _ in range(3))
        self._fee = place(NUMBER_BYTES)
        self._add = self._make_add()
        self._less = self._make_less()
        self._multiply = self._make_multiply()
        self._divide = self._make_divide()
        self._parse = self._make_parse()
        self._find = self._make_find()
        self._price = self._make_price()
        self._hash_of = self._make_hash_of()
        self._same = self._make_same()
        self._verify = self._make_verify()
        self._add_query_info()
        self._add_query_fee_details()
        self._add_validate()

    @staticmethod
    def _at(address: int) -> Expression:
        return const(I32, address)

    def _word(self, address: int) -> Expression:
        return const(I32, address).word()

    def _put(self, f: Function, address: int, value: Expression | int) -> None:
        f.put_word(const(I32, address), value)

    def _put_number(self, f: Function, address: int, low: Expression | int) -> None:
        """Write a number of 64 bits where one of 128 has its place."""
        f.put_quad(const(I32, address), low)
        f.put_quad(const(I32, address + 8), 0)

    def _copy_number(self, f: Function, to: int, source: Expression) -> None:
        f.do(self._program.copy, const(I32, to), source, const(I32, NUMBER_BYTES))

    def _number(self, value: int) -> Expression:
        return self._program.fixed(value.to_bytes(NUMBER_BYTES, "little"))

    # Numbers of 128 bits.

    def _make_add(self) -> Function:
        """``(to, other)``: add ``other`` to ``to``."""
        f = self._module.function((I32, I32), None)
        to, other = f.parameters
        low = f.local(I64, to.quad() + other.quad())
        carry = f.local(I64, (low < other.quad()).long())
        high = f.local(I64, (to + 8).quad() + (other + 8).quad())
        over = f.local(I32, high < (other + 8).quad())
        f.set(high, high + carry)
        f.put_quad(to, low)
        f.put_quad(to + 8, high)
        with f.when(over | (high < carry)):
            f.put_quad(to, -1)
            f.put_quad(to + 8, -1)
        return f

    def _make_less(self) -> Function:
        """``(left, right)``: whether ``left`` is less."""
        f = self._module.function((I32, I32), I32)
        left, right = f.parameters
        with f.when((left + 8).quad().equals((right + 8).quad())):
            f.give(left.quad() < right.quad())
        f.give((left + 8).quad() < (right + 8).quad())
        return f

    def _make_multiply(self) -> Function:
        """``(right)``: the product of what is on the left and ``right``."""
        f = self._module.function((I32,), None)
        (right,) = f.parameters
        product, left = self._at(self._product), self._at(self._left)
        for at in range(0, 2 * NUMBER_BYTES, 8):
            f.put_quad(product + at, 0)
        row, column, carry = f.local(I32), f.local(I32), f.local(I64)
        with f.loop_while(row < NUMBER_BYTES):
            f.set(column, 0)
            f.set(carry, 0)
            with f.loop_while(column < NUMBER_BYTES):
                target = product + row + column
                each = (left + row).word().long() * (right + column).word().long()
                f.set(carry, each + target.word().long() + carry)
                f.put_word(target, carry.short())
                f.set(carry, carry >> 32)
                f.set(column, column + 4)
            f.put_word(product + row + NUMBER_BYTES, carry.short())
            f.set(row, row + 4)
        return f

    def _make_divide(self) -> Function:
        """``()``: the product divided by 10^9."""
        f = self._module.function((), None)
        at, rest = f.local(I32, 2 * NUMBER_BYTES), f.local(I64)
        with f.loop_while(at):
            f.set(at, at - 4)
            place = at + self._product
            f.set(rest, (rest << 32) | place.word().long())
            f.put_word(place, (rest // BILLION).short())
            f.set(rest, rest % BILLION)
        return f

    def _take_product(self, f: Function, to: int) -> None:
        """The product, at most 2^128 - 1, as a number."""
        high = (const(I32, self._product + 16).quad()) | (const(I32, self._product + 24).quad())
        with f.when(high.differs(0)):
            f.put_quad(const(I32, self._product), -1)
            f.put_quad(const(I32, self._product + 8), -1)
        self._copy_number(f, to, const(I32, self._product))

    # The parts of a transaction.

    def _make_parse(self) -> Function:
        """``(at, limit)``: note the parts of the extrinsic there; where it ends."""
        f = self._module.function((I32, I32), I32)
        at, limit = f.parameters
        program = self._program
        size = f.local(I32, program.compact(at))
        f.set(at, program.compact_end(at))
        program.require(f, at <= limit)
        program.require(f, (size <= limit - at) & size.differs(0))
        end = f.local(I32, at + size)
        version = f.local(I32, at.byte())
        f.set(at, at + 1)
        self._put_number(f, self._tip, 0)
        self._put(f, self._signed, version.equals(0x84))
        with f.when(self._word(self._signed)) as case:
            kind = f.local(I32, at.byte())
            f.set(at, at + 1)
            program.require(f, kind < 5)
            with f.when(kind.equals(0)):
                self._put(f, self._account, at)
            with f.when((kind % 3).equals(0)):
                f.set(at, at + 32)
            with f.when(kind.equals(1)):
                f.set(at, program.compact_end(at))
            with f.when(kind.equals(2)):
                f.set(at, program.compact_end(at) + program.compact(at))
            with f.when(kind.equals(4)):
                f.set(at, at + 20)
            program.require(f, at < end)
            f.set(kind, at.byte())
            program.require(f, kind <= ECDSA)
            self._put(f, self._kind, kind)
            self._put(f, self._signature, at + 1)
            f.set(at, at + 65 + kind.equals(ECDSA))
            program.require(f, at < end)
            self._put(f, self._extra, at)
            with f.when(at.byte()):
                self._put(f, self._era, at.byte() | ((at + 1).byte() << 8))
                f.set(at, at + 1)
            f.set(at, at + 1)
            self._put(f, self._nonce, program.compact(at))
            f.set(at, program.compact_end(at))
            program.require(f, at < end)
            with f.when((at.byte() & 3).equals(3)) as large:
                length = f.local(I32, (at.byte() >> 2) + 4)
                program.require(f, length <= NUMBER_BYTES)
                f.do(program.copy, const(I32, self._tip), at + 1, length)
                large.otherwise()
                self._put(f, self._tip, program.compact(at))
            f.set(at, program.compact_end(at))
            case.otherwise()
            program.require(f, version.equals(4))
        program.require(f, at <= end)
        program.require(f, (end - at) > 1)
        self._put(f, self._call, at)
        self._put(f, self._call_length, end - at)
        f.give(end)
        return f

    def _make_find(self) -> Function:
        """``()``: the table's entry of the call; a trap without one."""
        calls = self._fees.calls
        f = self._module.function((), I32)
        at = f.local(I32, self._program.fixed(b"".join(each.entry() for each in calls)))
        end = f.local(I32, at + ENTRY * len(calls))
        call = f.local(I32, self._word(self._call))
        with f.loop_while(at < end):
            with f.when(at.byte().equals(call.byte()) & (at + 1).byte().equals((call + 1).byte())):
                f.give(at)
            f.set(at, at + ENTRY)
        return f

    def _ref_time(self, entry: Expression) -> Expression:
        """What the call and the check of its signature take."""
        is_slow = self._word(self._signed) & self._word(self._kind).equals(ECDSA)
        return (entry + 8).quad() + is_slow.long() * self._fees.ecdsa_ref_time

    def _make_price(self) -> Function:
        """``(entry, length)``: the parts of the fee, and the fee without the tip."""
        f = self._module.function((I32, I32), None)
        entry, length = f.parameters
        fees, program = self._fees, self._program
        self._put_number(f, self._fee, 0)
        with f.when((entry + 3).byte()):
            time = f.local(I64, self._ref_time(entry))
            with f.when(time > fees.ref_time_max):
                f.set(time, const(I64, fees.ref_time_max))
            self._put_number(f, self._left, time)
            f.do(self._multiply, self._number(fees.weight_fee))
            self._take_product(f, self._left)
            ignored = f.local(I32)
            f.set(ignored, program.stored(const(I32, program.answer), fees.multiplier))
            f.do(self._multiply, const(I32, program.answer))
            f.do(self._divide)
            f.do(self._divide)
            self._take_product(f, self._weight_fee)
            self._put_number(f, self._left, length.long())
            f.do(self._multiply, self._number(fees.length_fee))
            self._take_product(f, self._length_fee)
            bases = b"".join(each.to_bytes(NUMBER_BYTES, "little") for each in fees.base_fees)
            base = program.fixed(bases) + (entry + 2).byte() * NUMBER_BYTES
            self._copy_number(f, self._base_fee, base)
            for part in (self._base_fee, self._length_fee, self._weight_fee):
                f.do(self._add, const(I32, self._fee), const(I32, part))
        return f

    def _add_query_info(self) -> None:
        program = self._program
        name = "TransactionPaymentApi_query_info"
        f = self._module.function((I32, I32), I64, export=name)
        at, length = f.parameters
        end = f.local(I32, self._parse(at, at + length))
        program.require(f, (end + 4).equals(at + length))
        entry = f.local(I32, self._find())
        f.do(self._price, entry, end.word())
        out = f.local(I32, const(I32, program.answer))
        f.set(out, program.append_compact(out, self._ref_time(entry)))
        f.set(out, program.append_compact(out, (entry + 16).quad()))
        f.put_byte(out, (entry + 2).byte())
        f.set(out, out + 1)
        with f.when(self._word(self._signed)) as case:
            f.do(program.copy, out, const(I32, self._fee), const(I32, NUMBER_BYTES))
            case.otherwise()
            f.put_quad(out, 0)
            f.put_quad(out + 8, 0)
        program.give_built(f, out + NUMBER_BYTES)

    def _add_query_fee_details(self) -> None:
        program = self._program
        name = "TransactionPaymentApi_query_fee_details"
        f = self._module.function((I32, I32), I64, export=name)
        at, length = f.parameters
        end = f.local(I32, self._parse(at, at + length))
        program.require(f, (end + 4).equals(at + length))
        entry = f.local(I32, self._find())
        f.do(self._price, entry, end.word())
        out = f.local(I32, const(I32, program.answer))
        pays = f.local(I32, self._word(self._signed) & (entry + 3).byte())
        f.put_byte(out, pays)
        f.set(out, out + 1)
        size = const(I32, NUMBER_BYTES)
        with f.when(pays):
            for part in (self._base_fee, self._length_fee, self._weight_fee):
                f.set(out, program.append(out, const(I32, part), size))
        f.set(out, program.append(out, const(I32, self._tip), size))
        program.give_built(f, out)

    # Validity.

    def _make_hash_of(self) -> Function:
        """``(number, best, hash of best)``: where the hash of a block is, 0 if it is not known."""
        f = self._module.function((I32, I32, I32), I32)
        number, best, hash_of_best = f.parameters
        program, prefix = self._program, self._rules.hash_prefix
        with f.when(number.equals(best)):
            f.give(hash_of_best)
        # The next block forgets this one.
        forgotten = (number + self._rules.hashes_kept).equals(best) & number.differs(0)
        with f.when((number > best) | forgotten):
            f.give(const(I32, 0))
        key = const(I32, program.key)
        f.do(program.copy, key, program.fixed(prefix), const(I32, len(prefix)))
        at = key + (len(prefix) + 8)
        f.put_word(at, number)
        hashed = program.twox_64(program.span(at, const(I32, 4)))
        f.do(program.copy, at - 8, hashed, const(I32, 8))
        f.give(program.lookup(key, const(I32, len(prefix) + 12)).short())
        return f

    def _make_same(self) -> Function:
        """``(left, right)``: whether 32 bytes are the same."""
        f = self._module.function((I32, I32), I32)
        left, right = f.parameters
        at = f.local(I32)
        with f.loop_while(at < 32):
            with f.when((left + at).quad().differs((right + at).quad())):
                f.give(const(I32, 0))
            f.set(at, at + 8)
        f.give(const(I32, 1))
        return f

    def _make_verify(self) -> Function:
        """``(genesis hash, birth hash)``: whether the signature is the account's."""
        f = self._module.function((I32, I32), I32)
        genesis, birth = f.parameters
        program, versions = self._program, self._rules.versions
        call, length = self._word(self._call), self._word(self._call_length)
        begin = f.local(I32, program.malloc(length + PAYLOAD_BYTES_MAX))
        at = f.local(I32, begin)
        for source, size in (
            (call, length),
            (self._word(self._extra), call - self._word(self._extra)),
            (program.fixed(versions), const(I32, len(versions))),
            (genesis, const(I32, 32)),
            (birth, const(I32, 32)),
        ):
            f.do(program.copy, at, source, size)
            f.set(at, at + size)
        payload = f.local(I64, program.span(begin, at - begin))
        with f.when((at - begin) > PAYLOAD_BYTES_MAX):
            f.set(payload, program.span(program.blake2_256(payload), const(I32, 32)))
        kind, account = self._word(self._kind), self._word(self._account)
        signature = self._word(self._signature)
        with f.when(kind.equals(0)):
            f.give(program.ed25519(signature, payload, account))
        with f.when(kind.equals(1)):
            f.give(program.sr25519(signature, payload, account))
        key = f.local(I32, program.recover(signature, program.blake2_256(payload)).short())
        with f.when(key.byte()):
            f.give(const(I32, 0))
        f.give(self._same(program.blake2_256(program.span(key + 1, const(I32, 33))), account))
        return f

    def _refuse(self, f: Function, unknown: int, reason: int) -> None:
        answer = bytes((1, unknown, reason))
        self._program.give(f, self._program.fixed(answer), const(I32, len(answer)))

    def _add_validate(self) -> None:
        program, rules = self._program, self._rules
        name = "TaggedTransactionQueue_validate_transaction"
        f = self._module.function((I32, I32), I64, export=name)
        begin, length = f.parameters
        hash_of_best = f.local(I32, begin + length - 32)
        program.require(f, length > 33)
        longest = max(rules.length_max)
        f.set(begin, begin + 1)
        with f.when((hash_of_best - begin) > longest):
            self._refuse(f, 0, EXHAUSTS)
        end = f.local(I32, self._parse(begin, hash_of_best))
        program.require(f, end.equals(hash_of_best))
        f.set(length, end - begin)
        entry = f.local(I32, self._find())
        kind = f.local(I32, (entry + 2).byte())
        with f.when(self._word(self._signed).equals(0)):
            with f.when(kind.equals(MANDATORY)):
                self._refuse(f, 0, MANDATORY_VALIDATION)
            self._refuse(f, 1, NO_VALIDATOR)
        account = f.local(I32, self._word(self._account))
        with f.when(account.equals(0)):
            self._refuse(f, 1, CANNOT_LOOKUP)
        death, best = self._check_signature(f, account, hash_of_best)
        with f.when(kind.equals(MANDATORY)):
            self._refuse(f, 0, MANDATORY_VALIDATION)
        # The account: nonce, limits, money.
        found = f.local(I32, program.account(f, rules.account_prefix, account).short())
        with f.when(found.equals(0)):
            self._refuse(f, 0, PAYMENT)
        nonce = f.local(I32, self._word(self._nonce))
        with f.when(nonce < found.word()):
            self._refuse(f, 0, STALE)
        time = f.local(I64, self._ref_time(entry))
        for each in range(2):
            over = (length > rules.length_max[each]) | (time > rules.call_ref_time_max[each])
            with f.when(kind.equals(each) & over):
                self._refuse(f, 0, EXHAUSTS)
        f.do(self._price, entry, length)
        fee = const(I32, self._fee)
        f.do(self._add, fee, const(I32, self._tip))
        needed = const(I32, self._left)
        self._copy_number(f, self._left, fee)
        f.do(self._add, needed, self._number(rules.deposit))
        costs = (fee.quad() | (fee + 8).quad()).differs(0)
        with f.when(costs & self._less(found + 16, needed)):
            self._refuse(f, 0, PAYMENT)
        priority = self._priority(f, entry, length, time)
        # The answer.
        out = f.local(I32, const(I32, program.answer))
        f.put_byte(out, 0)
        f.put_quad(out + 1, priority)
        f.set(out, out + 9)
        f.put_byte(out, nonce.differs(found.word()) << 2)
        f.set(out, out + 1)
        with f.when(nonce.differs(found.word())):
            f.set(out, self._append_tag(out, account))
            f.put_word(out - 4, nonce - 1)
        f.put_byte(out, 4)
        f.set(out, self._append_tag(out + 1, account))
        f.put_word(out - 4, nonce)
        f.put_quad(out, death - (best.long() + 1))
        f.put_byte(out + 8, 1)
        program.give_built(f, out + 9)

    def _append_tag(self, at: Expression, account: Expression) -> Expression:
        """A tag whose nonce is written over it afterwards."""
        program = self._program
        at = program.append(at, program.fixed(TAG), const(I32, len(TAG)))
        at = program.append(at, account, const(I32, 32))
        return at + 4

    def _check_signature(
        self, f: Function, account: Expression, hash_of_best: Expression
    ) -> tuple[Expression, Expression]:
        """Refuse a bad one; the block at which the transaction dies, and the best block's number.

        The era is looked at from the next block.
        """
        program = self._program
        best = f.local(I32)
        ignored = f.local(I32)
        f.set(ignored, program.stored(const(I32, program.answer), self._rules.number))
        f.set(best, self._word(program.answer))
        birth, death = f.local(I32), f.local(I64, -1)
        era = f.local(I32, self._word(self._era))
        with f.when(era):
            period = f.local(I32, const(I32, 2) << (era & 15))
            quantum = f.local(I32, period >> 12)
            with f.when(quantum.equals(0)):
                f.set(quantum, 1)
            phase = f.local(I32, (era >> 4) * quantum)
            program.require(f, (period > 3) & (phase < period))
            f.set(birth, phase)
            with f.when((best + 1) > phase):
                f.set(birth, ((best + 1) - phase) // period * period + phase)
            f.set(death, (birth + period).long())
        genesis = f.local(I32, self._hash_of(const(I32, 0), best, hash_of_best))
        born = f.local(I32, self._hash_of(birth, best, hash_of_best))
        program.require(f, genesis)
        with f.when(born.equals(0)):
            self._refuse(f, 0, ANCIENT_BIRTH)
        with f.when(self._verify(genesis, born).equals(0)):
            self._refuse(f, 0, BAD_PROOF)
        with f.when(self._same(account, program.fixed(bytes(32)))):
            self._refuse(f, 0, BAD_SIGNER)
        return death, best

    def _priority(
        self, f: Function, entry: Expression, length: Expression, time: Expression
    ) -> Expression:
        """What the author earns with as many such extrinsics as fit into a block."""
        most = self._fees.ref_time_max
        used = f.local(I64, time)
        with f.when(used > most):
            f.set(used, const(I64, most))
        with f.when(used.equals(0)):
            f.set(used, const(I64, 1))
        fitting = f.local(I64, const(I64, most) // used)
        limit = f.local(I64, const(I64, self._rules.length_max[0]))
        with f.when((entry + 2).byte().equals(OPERATIONAL)):
            f.set(limit, const(I64, self._rules.length_max[1]))
        f.set(limit, limit // length.long())
        with f.when(limit < fitting):
            f.set(fitting, limit)
        with f.when(fitting.equals(0)):
            f.set(fitting, const(I64, 1))
        self._put_number(f, self._right, fitting)
        self._copy_number(f, self._left, const(I32, self._tip))
        f.do(self._add, const(I32, self._left), self._number(1))
        f.do(self._multiply, const(I32, self._right))
        self._take_product(f, self._weight_fee)
        with f.when((entry + 2).byte().equals(OPERATIONAL)):
            self._put_number(f, self._right, fitting * self._rules.operational_multiplier)
            self._copy_number(f, self._left, const(I32, self._fee))
            f.do(self._multiply, const(I32, self._right))
            self._take_product(f, self._left)
            f.do(self._add, const(I32, self._weight_fee), const(I32, self._left))
        value = const(I32, self._weight_fee)
        result = f.local(I64, value.quad())
        with f.when((value + 8).quad().differs(0)):
            f.set(result, const(I64, -1))
        return result
