"""Names on the chain: only the owner reads them."""

import base64
import hmac

from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from hypothesis import given
from hypothesis import strategies as st

from client.vault.keys import VaultKey
from client.vault.names import NAME_BYTES, SEALED_CHARACTERS, seal_name, unseal_name

KEY, OTHER = VaultKey(bytes(range(32))), VaultKey(bytes(32))
FID, OTHER_FID = bytes(32), bytes(range(32))


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))))
def test_the_owner_reads_the_beginning_of_any_name(name: str) -> None:
    sealed = seal_name(KEY, FID, name)
    assert len(sealed) == SEALED_CHARACTERS
    found = unseal_name(KEY, FID, sealed)
    assert found is not None
    assert name.startswith(found)
    assert found == name or len(found.encode()) > NAME_BYTES - 4


def test_others_learn_nothing() -> None:
    sealed = seal_name(KEY, FID, "tax return 2025.pdf")
    assert unseal_name(OTHER, FID, sealed) is None
    assert unseal_name(KEY, OTHER_FID, sealed) is None
    assert seal_name(KEY, OTHER_FID, "tax return 2025.pdf") != sealed


def test_a_public_name_is_not_taken_for_a_sealed_one() -> None:
    for name in (b"holiday.jpg", b"a" * SEALED_CHARACTERS, b"\xff" * SEALED_CHARACTERS, b""):
        assert unseal_name(KEY, FID, name) is None


def test_a_sealed_name_is_what_the_specification_says() -> None:
    """HKDF written out (RFC 5869), so that a mixed up label cannot go unseen."""
    secret = bytes(range(32))
    extracted = hmac.digest(b"cess/vault/v1", secret, "sha256")
    info = b"cess/vault/v1/name-key"
    first = hmac.digest(extracted, info + b"\x01", "sha256")
    second = hmac.digest(extracted, first + info + b"\x02", "sha256")
    fid = bytes(32)
    sealed = AESSIV(first + second).encrypt(b"name".ljust(31, b"\0"), [fid])
    expected = base64.urlsafe_b64encode(sealed).rstrip(b"=")
    assert seal_name(VaultKey(secret), fid, "name") == expected
