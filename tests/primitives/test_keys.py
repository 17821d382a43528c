import copy
import hashlib
import json
import pickle
from pathlib import Path

import bip39
import pytest
from eth_keys.datatypes import Signature
from hypothesis import given, settings
from hypothesis import strategies as st
from substrateinterface import Keypair, KeypairType

from primitives.crypto import secp256k1
from primitives.crypto.keys import SCHEMES, KeyPair, Scheme, verify
from primitives.crypto.merlin import Transcript
from primitives.crypto.signatures import (
    MultiSignature,
    account_of,
    make_multi_signature,
    needs_secret,
    verify_multi,
)
from primitives.crypto.ss58 import ss58_encode
from primitives.crypto.vrf import vrf_verify
from primitives.errors import InvalidKey
from primitives.hashing import blake2_256
from primitives.scale import decode, encode

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/keys/substrate.json").read_text())
PHRASE = "legal winner thank year wave sausage worth useful legal winner thank yellow"
LONG_PHRASE = "abandon " * 23 + "art"
ORACLE_TYPES: dict[Scheme, int] = {"sr25519": KeypairType.SR25519, "ed25519": KeypairType.ED25519}
MESSAGE = b"a message"


@pytest.mark.parametrize("vector", VECTORS["keys"], ids=lambda v: f"{v['scheme']} {v['suri']}")
def test_known_keys(vector: dict[str, str]) -> None:
    pair = KeyPair.from_suri(vector["suri"], vector["scheme"])  # type: ignore[arg-type]
    assert pair.public.hex() == vector["public"]
    assert ss58_encode(pair.account_id, 42) == vector["address"]


def test_the_ecdsa_vector_of_substrate() -> None:
    vector = {name: bytes.fromhex(text) for name, text in VECTORS["ecdsa_signature"].items()}
    pair = KeyPair.from_seed(vector["seed"], "ecdsa")
    assert pair.public == vector["public"]
    assert pair.sign(vector["message"]) == vector["signature"]
    assert verify("ecdsa", pair.public, vector["message"], vector["signature"])


@pytest.mark.parametrize("scheme", ["sr25519", "ed25519"])
@pytest.mark.parametrize("words", [12, 24])
def test_keys_of_phrases_are_those_of_substrate_interface(scheme: Scheme, words: int) -> None:
    phrase = PHRASE if words == 12 else LONG_PHRASE
    ours = KeyPair.from_suri(phrase, scheme)
    theirs = Keypair.create_from_mnemonic(phrase, crypto_type=ORACLE_TYPES[scheme])
    assert ours.public == theirs.public_key
    assert theirs.verify(MESSAGE, ours.sign(MESSAGE))
    assert verify(scheme, ours.public, MESSAGE, theirs.sign(MESSAGE))


@pytest.mark.parametrize(
    "path", ["//Alice", "//Alice//stash", "//0", "//1//2", f"//{'long' * 12}", "//Miner31"]
)
def test_hard_junctions_are_those_of_substrate_interface(path: str) -> None:
    theirs = Keypair.create_from_uri(PHRASE + path)
    assert KeyPair.from_suri(PHRASE + path).public == theirs.public_key


@pytest.mark.parametrize(("scheme", "tag"), [("ed25519", "Ed25519"), ("ecdsa", "Secp256k1")])
def test_hard_junctions_of_hashed_schemes_are_the_definition(scheme: Scheme, tag: str) -> None:
    name = f"{tag}HDKD".encode()
    parts = bytes([len(name) << 2]) + name + b"\x17" * 32 + b"\x0cone".ljust(32, b"\0")
    seed = hashlib.blake2b(parts, digest_size=32).digest()
    derived = KeyPair.from_suri("0x" + "17" * 32 + "//one", scheme)
    assert derived == KeyPair.from_seed(seed, scheme)


@pytest.mark.parametrize("scheme", ["sr25519", "ed25519"])
def test_a_password_is_that_of_bip39(scheme: Scheme) -> None:
    seed = bytes(bip39.bip39_to_mini_secret(PHRASE, "pw"))
    theirs = Keypair.create_from_seed(seed, crypto_type=ORACLE_TYPES[scheme])
    assert KeyPair.from_suri(f"{PHRASE}///pw", scheme).public == theirs.public_key


@pytest.mark.parametrize("path", ["/soft", "//Alice/1", "//a/b//c/d"])
def test_soft_junctions_are_those_of_substrate_interface(path: str) -> None:
    theirs = Keypair.create_from_uri(PHRASE + path)
    assert KeyPair.from_suri(PHRASE + path).public == theirs.public_key


@settings(max_examples=20)
@given(st.binary(min_size=32, max_size=32).filter(any), st.binary(max_size=64))
def test_ecdsa_signatures_are_those_of_another_library(seed: bytes, message: bytes) -> None:
    pair = KeyPair.from_seed(seed, "ecdsa")
    digest = bytes(blake2_256(message))
    found = Signature(pair.sign(message)).recover_public_key_from_msg_hash(digest)
    assert found.to_compressed_bytes() == pair.public


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_seed_in_hex_and_in_bytes_is_the_same_key(scheme: Scheme) -> None:
    assert KeyPair.from_suri("0x" + "17" * 32, scheme) == KeyPair.from_seed(b"\x17" * 32, scheme)


# Signatures under attack.


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_signature_is_of_one_message_and_one_key(scheme: Scheme) -> None:
    alice, bob = KeyPair.from_suri("//Alice", scheme), KeyPair.from_suri("//Bob", scheme)
    signature = alice.sign(MESSAGE)
    assert verify(scheme, alice.public, MESSAGE, signature)
    assert not verify(scheme, alice.public, MESSAGE + b"!", signature)
    assert not verify(scheme, alice.public, b"", signature)
    assert not verify(scheme, bob.public, MESSAGE, signature)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_altered_signature_is_refused(scheme: Scheme) -> None:
    pair = KeyPair.from_suri("//Alice", scheme)
    signature = pair.sign(MESSAGE)
    for bit in range(0, 8 * len(signature), 7):
        altered = bytearray(signature)
        altered[bit // 8] ^= 1 << bit % 8
        assert not verify(scheme, pair.public, MESSAGE, bytes(altered))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", [0, 1, 32, 63, 64, 65, 66])
def test_signatures_and_keys_of_any_length_never_crash(scheme: Scheme, size: int) -> None:
    pair = KeyPair.from_suri("//Alice", scheme)
    for filler in (b"\0", b"\xff"):
        assert not verify(scheme, pair.public, MESSAGE, filler * size)
        assert not verify(scheme, filler * size, MESSAGE, pair.sign(MESSAGE))


def test_a_mirrored_ecdsa_signature_is_refused() -> None:
    """(r, order - s) with the other parity is of the same key: anybody could make it."""
    pair = KeyPair.from_suri("//Alice", "ecdsa")
    signature = pair.sign(MESSAGE)
    mirrored = secp256k1.ORDER - int.from_bytes(signature[32:64], "big")
    forged = signature[:32] + mirrored.to_bytes(32, "big") + bytes([signature[64] ^ 1])
    digest = bytes(blake2_256(MESSAGE))
    recovered = Signature(forged).recover_public_key_from_msg_hash(digest)
    assert recovered.to_compressed_bytes() == pair.public  # it is valid elsewhere
    assert not verify("ecdsa", pair.public, MESSAGE, forged)


@pytest.mark.parametrize("v", [4, 27, 28, 255])
def test_an_unknown_recovery_id_is_refused(v: int) -> None:
    pair = KeyPair.from_suri("//Alice", "ecdsa")
    assert not verify("ecdsa", pair.public, MESSAGE, pair.sign(MESSAGE)[:64] + bytes([v]))


def test_recovery_stays_within_the_curve() -> None:
    digest = bytes(32)
    order = secp256k1.ORDER.to_bytes(32, "big")
    one = (1).to_bytes(32, "big")
    assert secp256k1.recover(order + one + b"\0", digest) is None
    assert secp256k1.recover(bytes(32) + one + b"\0", digest) is None
    assert secp256k1.recover(one + bytes(32) + b"\0", digest) is None
    # r = 5 is the x of no point; with v = 2 the x is r + order, which must be in the field.
    assert secp256k1.recover((5).to_bytes(32, "big") + one + b"\0", digest) is None
    assert secp256k1.recover(b"\x7f" * 32 + one + b"\x02", digest) is None


def test_recovery_of_the_point_at_infinity_is_refused() -> None:
    """s R = z G gives the key "infinity", which nobody has."""
    generator = secp256k1._GENERATOR[0].to_bytes(32, "big")
    parity = secp256k1._GENERATOR[1] & 1
    five = (5).to_bytes(32, "big")
    assert secp256k1.recover(generator + five + bytes([parity]), five) is None


def test_an_sr25519_signature_without_its_mark_is_refused() -> None:
    """Signatures of before schnorrkel's audit lack the high bit of the last byte."""
    pair = KeyPair.from_suri("//Alice")
    signature = bytearray(pair.sign(MESSAGE))
    signature[63] &= 0x7F
    assert not verify("sr25519", pair.public, MESSAGE, bytes(signature))


def test_ed25519_follows_zip_215() -> None:
    """A key and an R of small order: valid by ZIP-215 (cofactored), refused by other rules."""
    # The identity in a form that is not canonical (y = 1 with the sign bit set).
    small = bytes([1]) + bytes(30) + b"\x80"
    assert verify("ed25519", small, MESSAGE, small + bytes(32))


# The enum in which signatures travel.


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_multi_signature_is_of_its_account(scheme: Scheme) -> None:
    alice, bob = KeyPair.from_suri("//Alice", scheme), KeyPair.from_suri("//Bob", scheme)
    signature = alice.multi_signature(MESSAGE)
    assert decode(MultiSignature, encode(MultiSignature, signature)) == signature
    assert verify_multi(signature, MESSAGE, alice.account_id)
    assert signature.verify(alice.account_id, MESSAGE)
    assert not verify_multi(signature, MESSAGE + b"!", alice.account_id)
    assert not verify_multi(signature, MESSAGE, bob.account_id)


def test_a_signature_of_one_scheme_does_not_pass_as_another() -> None:
    pair = KeyPair.from_suri("//Alice", "ed25519")
    forged = make_multi_signature("sr25519", pair.sign(MESSAGE))
    assert not verify_multi(forged, MESSAGE, pair.account_id)


def test_the_account_of_ecdsa_is_a_hash() -> None:
    pair = KeyPair.from_suri("//Alice", "ecdsa")
    assert pair.account_id == blake2_256(pair.public) == account_of("ecdsa", pair.public)


@pytest.mark.parametrize(("scheme", "index"), [("ed25519", 0), ("sr25519", 1), ("ecdsa", 2)])
def test_indices_of_the_enum(scheme: Scheme, index: int) -> None:
    encoded = encode(MultiSignature, KeyPair.from_suri("//Alice", scheme).multi_signature(b""))
    assert encoded[0] == index
    assert len(encoded) == (66 if scheme == "ecdsa" else 65)


# Secrets stay inside.


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_pair_shows_its_public_key_only(scheme: Scheme) -> None:
    pair = KeyPair.from_suri("//Alice", scheme)
    assert repr(pair) == f"KeyPair({scheme}, public=0x{pair.public.hex()})"
    assert pair._secret.hex() not in f"{pair}{pair!r}"


def test_a_pair_is_neither_pickled_nor_copied() -> None:
    pair = KeyPair.from_suri("//Alice")
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="keystore"):
            attempt(pair)


def test_a_pair_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        KeyPair.from_suri("//Alice").public = b""  # type: ignore[misc]


def test_pairs_are_equal_by_scheme_and_public_key() -> None:
    assert KeyPair.from_suri("//Alice") == KeyPair.from_suri("//Alice")
    assert len({KeyPair.from_suri("//Alice"), KeyPair.from_suri("//Alice")}) == 1
    assert KeyPair.from_suri("//Alice") != KeyPair.from_suri("//Bob")


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_seed_has_32_bytes(size: int) -> None:
    with pytest.raises(InvalidKey, match="32 bytes"):
        KeyPair.from_seed(bytes(size))


@pytest.mark.parametrize("seed", [bytes(32), secp256k1.ORDER.to_bytes(32, "big")])
def test_a_seed_outside_of_secp256k1_is_refused(seed: bytes) -> None:
    with pytest.raises(InvalidKey, match="secp256k1"):
        KeyPair.from_seed(seed, "ecdsa")


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(InvalidKey, match="scheme"):
        KeyPair.from_suri("//Alice", "rsa")  # type: ignore[arg-type]


def test_the_random_function_of_a_pair_has_its_public_key() -> None:
    for suri in ("//Alice", "//Alice/soft", PHRASE):
        pair = KeyPair.from_suri(suri)
        key = pair.vrf_key()
        assert key.public == pair.public
        point, proof = key.sign(Transcript.of(b"test"))
        checked = vrf_verify(pair.public, Transcript.of(b"test"), point.pre_output, proof)
        assert checked.pre_output == point.pre_output


@pytest.mark.parametrize("scheme", ["ed25519", "ecdsa"])
def test_other_schemes_have_no_random_function(scheme: Scheme) -> None:
    with pytest.raises(InvalidKey, match="sr25519 do"):
        KeyPair.from_suri("//Alice", scheme).vrf_key()


SMALL_ORDER = (
    *("01" + "00" * 31, "00" * 32, "00" * 31 + "80", "01" + "00" * 30 + "80"),
    *("ec" + "ff" * 30 + "7f", "ed" + "ff" * 30 + "7f", "ee" + "ff" * 30 + "7f"),
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
)
"""Ed25519's points of small order, and other encodings of them that ZIP-215 takes."""


@pytest.mark.parametrize("key", [bytes.fromhex(text) for text in SMALL_ORDER], ids=bytes.hex)
def test_who_has_no_secret_signs_for_keys_of_small_order_only(key: bytes) -> None:
    assert verify("ed25519", key, MESSAGE, bytes([1]) + bytes(63))
    assert not needs_secret("ed25519", key)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_keys_of_pairs_need_their_secret(scheme: Scheme) -> None:
    for seed in range(1, 20):
        assert needs_secret(scheme, KeyPair.from_seed(bytes([seed]) * 32, scheme).public)
    assert not needs_secret("sr25519", bytes(32))
    assert not needs_secret("ed25519", bytes(31))
