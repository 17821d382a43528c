"""The key hierarchy: what is derived from what, and what stays secret."""

import pytest

from client.vault.keys import FileKeys, VaultKey
from primitives.crypto.keys import KeyPair
from primitives.errors import InvalidKey

PHRASE = "bottom drive obey lake curtain smoke basket hold race lonely fit walk"


def test_each_account_of_a_phrase_has_its_own_vault() -> None:
    keys = {
        VaultKey.of(KeyPair.from_suri(suri)).secret
        for suri in (PHRASE, "//Alice", "//Bob", "//Alice//a", "//Alice/a", f"{PHRASE}///pw")
    }
    assert len(keys) == 6


@pytest.mark.parametrize("path", ["//Alice", "//Alice/soft", ""])
def test_the_phrase_alone_gives_the_vault_back(path: str) -> None:
    first, second = KeyPair.from_suri(f"{PHRASE}{path}"), KeyPair.from_suri(f"{PHRASE}{path}")
    assert VaultKey.of(first) == VaultKey.of(second)


def test_wrong_lengths_are_refused() -> None:
    with pytest.raises(InvalidKey):
        VaultKey(b"short")
    with pytest.raises(InvalidKey):
        VaultKey(bytes(32)).file_key(b"salt")


def test_every_key_of_a_file_is_another() -> None:
    keys = FileKeys.of(bytes(32), bytes(32))
    assert len({keys.content, keys.metadata, keys.header, keys.commitment}) == 4
    assert keys.commits_to(keys.commitment)
    assert not keys.commits_to(bytes(32))


def test_secrets_are_not_shown() -> None:
    key = VaultKey(b"\xaa" * 32)
    keys = FileKeys.of(bytes(32), bytes(32))
    assert "aa" * 4 not in repr(key)
    assert "xaa" not in repr(key)
    assert repr(keys.content) not in repr(keys)
