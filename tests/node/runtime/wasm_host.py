"""An engine for the shim: wasmtime, and the host functions that the shim asks for."""

from collections.abc import Mapping
from typing import Any

import wasmtime

from pallets.frame.overlay import StateReader
from primitives.crypto import secp256k1
from primitives.crypto.signatures import verify
from primitives.hashing import blake2_128, blake2_256, twox_64
from primitives.scale import encode

__all__ = ["ShimHost"]

HEAP_PAGES = 128
Value: Any = bytes | None
I32, I64 = wasmtime.ValType.i32, wasmtime.ValType.i64


class ShimHost:
    """Runs functions of one module over states; ``reads`` are the keys of the last call."""

    def __init__(self, code: bytes) -> None:
        self.engine = wasmtime.Engine()
        self.module = wasmtime.Module(self.engine, code)
        self.reads: list[bytes] = []

    def call(self, state: StateReader, method: str, params: bytes = b"") -> bytes:
        """The answer; wasmtime.Trap where the shim traps."""
        self.reads = []
        store = wasmtime.Store(self.engine)
        kinds = (each.type for each in self.module.imports)
        least = next(kind for kind in kinds if isinstance(kind, wasmtime.MemoryType)).limits.min
        pages = wasmtime.Limits(least + HEAP_PAGES, None)
        memory = wasmtime.Memory(store, wasmtime.MemoryType(pages))
        heap = [0]

        def read(at: int, size: int) -> bytes:
            return bytes(memory.read(store, at & 0xFFFFFFFF, (at & 0xFFFFFFFF) + size))

        def span(value: int) -> bytes:
            value &= (1 << 64) - 1
            return read(value & 0xFFFFFFFF, value >> 32)

        def malloc(size: int) -> int:
            at = heap[0]
            heap[0] += -(-size // 8) * 8
            return at

        def place(data: bytes) -> int:
            at = malloc(len(data))
            memory.write(store, data, at)
            return at

        def spanned(data: bytes) -> int:
            return place(data) | len(data) << 32

        def get(key: int) -> int:
            self.reads.append(span(key))
            return spanned(encode(Value, state.get(span(key))))

        def sr25519(signature: int, message: int, public: int) -> int:
            return int(verify("sr25519", read(public, 32), span(message), read(signature, 64)))

        def ed25519(signature: int, message: int, public: int) -> int:
            return int(verify("ed25519", read(public, 32), span(message), read(signature, 64)))

        def recover(signature: int, message: int) -> int:
            found = secp256k1.recover(read(signature, 65), read(message, 32))
            return spanned(b"\1\2" if found is None else b"\0" + found)

        functions: Mapping[str, tuple[list[wasmtime.ValType], wasmtime.ValType, Any]] = {
            "ext_storage_get_version_1": ([I64()], I64(), get),
            "ext_hashing_blake2_128_version_1": (
                [I64()],
                I32(),
                lambda data: place(blake2_128(span(data))),
            ),
            "ext_hashing_blake2_256_version_1": (
                [I64()],
                I32(),
                lambda data: place(blake2_256(span(data))),
            ),
            "ext_hashing_twox_64_version_1": (
                [I64()],
                I32(),
                lambda data: place(twox_64(span(data))),
            ),
            "ext_crypto_ed25519_verify_version_1": ([I32(), I64(), I32()], I32(), ed25519),
            "ext_crypto_sr25519_verify_version_2": ([I32(), I64(), I32()], I32(), sr25519),
            "ext_crypto_secp256k1_ecdsa_recover_compressed_version_2": (
                [I32(), I32()],
                I64(),
                recover,
            ),
            "ext_allocator_malloc_version_1": ([I32()], I32(), malloc),
        }
        imports: list[Any] = []
        for each in self.module.imports:
            assert each.module == "env"
            if each.name == "memory":
                imports.append(memory)
                continue
            parameters, result, function = functions[str(each.name)]
            kind = wasmtime.FuncType(parameters, [result])
            imports.append(wasmtime.Func(store, kind, function))
        exports: Any = wasmtime.Instance(store, self.module, imports).exports(store)
        heap[0] = int(exports["__heap_base"].value(store))
        function = exports[method]
        at = place(params)
        return span(function(store, at, len(params)))
