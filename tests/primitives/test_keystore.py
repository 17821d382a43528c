import json
import os
import stat
from pathlib import Path

import pytest

from primitives import keystore as module
from primitives.crypto.keys import SCHEMES, KeyPair, Scheme
from primitives.errors import InvalidKey, StorageCorrupt
from primitives.hashing import blake2_128
from primitives.keystore import Keystore, generate_phrase, load_keyfile, save_keyfile

BABE, GRANDPA = b"babe", b"gran"
PASSWORD = "correct horse"
CHEAP = module.SCRYPT_LOG_N_MIN


@pytest.fixture
def store(tmp_path: Path) -> Keystore:
    return Keystore(tmp_path / "chains" / "dev" / "keystore")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# The keystore.


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_key_is_kept_and_found(store: Keystore, scheme: Scheme) -> None:
    pair = KeyPair.from_suri("//Alice", scheme)
    assert store.insert(BABE, "//Alice", scheme) == pair.public
    assert store.public_keys(BABE) == (pair.public,)
    assert store.pair(BABE, pair.public) == pair
    found = store.pair(BABE, pair.public)
    assert found is not None
    assert found.scheme == scheme


def test_the_layout_is_substrates(store: Keystore) -> None:
    public = store.insert(BABE, "//Alice")
    path = store.directory / f"62616265{public.hex()}"
    assert path.read_bytes() == b'"//Alice"'
    assert mode(path) == 0o600
    assert mode(store.directory) == 0o700
    assert os.listdir(store.directory) == [path.name]


def test_a_key_of_a_substrate_node_is_read(store: Keystore) -> None:
    pair = KeyPair.from_suri("0x" + "07" * 32, "ed25519")
    store.directory.mkdir(parents=True)
    path = store.directory / (GRANDPA.hex() + pair.public.hex())
    path.write_text(json.dumps("0x" + "07" * 32))
    assert store.pair(GRANDPA, pair.public) == pair


def test_keys_are_apart_by_type_and_in_order(store: Keystore) -> None:
    names = ("//Alice", "//Bob", "//Charlie")
    publics = [store.insert(BABE, name) for name in names]
    store.insert(GRANDPA, "//Alice", "ed25519")
    assert store.public_keys(BABE) == tuple(sorted(publics))
    assert len(store.public_keys(GRANDPA)) == 1
    assert store.public_keys(b"audi") == ()


def test_an_absent_key_and_an_absent_directory_are_none(store: Keystore) -> None:
    assert store.public_keys(BABE) == ()
    assert store.pair(BABE, bytes(32)) is None


def test_generated_keys_are_new(store: Keystore) -> None:
    first, second = store.generate(BABE), store.generate(GRANDPA, "ed25519")
    assert store.pair(BABE, first) is not None
    assert store.pair(GRANDPA, second) is not None
    assert first != store.generate(BABE)


def test_inserting_again_changes_nothing(store: Keystore) -> None:
    assert store.insert(BABE, "//Alice") == store.insert(BABE, "//Alice")
    assert len(store.public_keys(BABE)) == 1


def test_a_bad_uri_leaves_no_file(store: Keystore) -> None:
    with pytest.raises(InvalidKey):
        store.insert(BABE, "no phrase at all")
    assert not store.directory.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b'"//Alice', b"//Alice", b"\xff\xfe", b"[" * 5000, b'"//Bob"', b'"not a phrase"'],
    ids=["empty", "object", "cut", "bare", "binary", "deep", "other key", "no key"],
)
def test_a_damaged_key_names_its_file(store: Keystore, content: bytes) -> None:
    public = store.insert(BABE, "//Alice")
    path = store.directory / (BABE.hex() + public.hex())
    path.write_bytes(content)
    with pytest.raises(StorageCorrupt, match=path.name) as caught:
        store.pair(BABE, public)
    assert "//" not in str(caught.value).replace(str(path), "")


@pytest.mark.parametrize(("more", "fits"), [(0, True), (1, False)])
def test_the_limit_of_a_file(store: Keystore, more: int, fits: bool) -> None:
    public = store.insert(BABE, "//Alice")
    path = store.directory / (BABE.hex() + public.hex())
    path.write_bytes(b'"//Alice"' + b" " * (module.KEY_FILE_BYTES_MAX - 9 + more))
    if fits:
        assert store.pair(BABE, public) is not None
    else:
        with pytest.raises(StorageCorrupt, match="more than"):
            store.pair(BABE, public)


@pytest.mark.parametrize(
    "name", ["README", "62616265", "62616265" + "AB" * 32, "62616265" + "ab" * 31, "zz" * 36]
)
def test_a_foreign_file_is_named(store: Keystore, name: str) -> None:
    store.insert(BABE, "//Alice")
    (store.directory / name).write_text("x")
    with pytest.raises(StorageCorrupt, match=name[:20]):
        store.public_keys(BABE)


def test_what_a_crash_left_is_passed_over(store: Keystore) -> None:
    store.insert(BABE, "//Alice")
    (store.directory / ".0011223344556677.tmp").write_text("half")
    assert len(store.public_keys(BABE)) == 1


def test_the_limit_of_a_keystore(store: Keystore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEYS_MAX", 2)
    store.insert(BABE, "//Alice")
    store.insert(BABE, "//Bob")
    assert len(store.public_keys(BABE)) == 2
    store.insert(BABE, "//Charlie")
    with pytest.raises(StorageCorrupt, match="more than 2"):
        store.public_keys(BABE)


@pytest.mark.parametrize("key_type", [b"", b"bab", b"babes"])
def test_a_key_type_has_four_bytes(store: Keystore, key_type: bytes) -> None:
    with pytest.raises(InvalidKey, match="key type"):
        store.insert(key_type, "//Alice")


def test_a_public_key_cannot_lead_out_of_the_directory(store: Keystore) -> None:
    with pytest.raises(InvalidKey, match="32 or 33 bytes"):
        store.pair(BABE, b"../../etc")


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidKey, match="permissions"):
        Keystore(tmp_path / "file" / "keystore").insert(BABE, "//Alice")
    with pytest.raises(InvalidKey, match="permissions"):
        Keystore(tmp_path / "file").public_keys(BABE)


def test_a_failed_write_leaves_the_old_key_and_no_litter(
    store: Keystore, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = store.insert(BABE, "//Alice")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InvalidKey, match="No space left"):
        store.insert(BABE, "//Alice")
    assert store.pair(BABE, public) is not None
    assert len(os.listdir(store.directory)) == 1


def test_a_keystore_shows_its_directory_only(store: Keystore) -> None:
    store.insert(BABE, "//Alice")
    assert repr(store) == f"Keystore({str(store.directory)!r})"


# Key files.


def saved(tmp_path: Path) -> Path:
    path = tmp_path / "account.key"
    save_keyfile(path, "//Alice", PASSWORD, scrypt_log_n=CHEAP)
    return path


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_key_file_opens_with_its_password(tmp_path: Path, scheme: Scheme) -> None:
    path = tmp_path / "account.key"
    made = save_keyfile(path, "//Alice//1", PASSWORD, scheme=scheme, scrypt_log_n=CHEAP)
    assert load_keyfile(path, PASSWORD) == made == KeyPair.from_suri("//Alice//1", scheme)
    assert mode(path) == 0o600
    assert b"Alice" not in path.read_bytes()


def test_the_default_cost_is_within_the_bounds() -> None:
    assert module.SCRYPT_LOG_N_MIN <= module.SCRYPT_LOG_N <= module.SCRYPT_LOG_N_MAX


def test_two_files_of_one_key_differ_and_have_one_length(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    save_keyfile(first, "//Alice", PASSWORD, scrypt_log_n=CHEAP)
    save_keyfile(second, "//Alice//a//longer//path", PASSWORD, scrypt_log_n=CHEAP)
    assert first.read_bytes()[10:] != second.read_bytes()[10:]
    assert len(first.read_bytes()) == len(second.read_bytes())


@pytest.mark.parametrize("password", ["", "wrong", PASSWORD + " "])
def test_a_wrong_password_opens_nothing(tmp_path: Path, password: str) -> None:
    path = saved(tmp_path)
    with pytest.raises(InvalidKey, match="password") as caught:
        load_keyfile(path, password)
    assert str(path) in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_same_letters_are_the_same_password(tmp_path: Path) -> None:
    path = tmp_path / "account.key"
    save_keyfile(path, "//Alice", "\u00e9t\u00e9", scrypt_log_n=CHEAP)
    assert load_keyfile(path, "e\u0301te\u0301") == KeyPair.from_suri("//Alice")


def test_an_empty_password_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidKey, match="protects nothing"):
        save_keyfile(tmp_path / "k", "//Alice", "")


def test_a_file_is_not_overwritten(tmp_path: Path) -> None:
    path = saved(tmp_path)
    before = path.read_bytes()
    with pytest.raises(InvalidKey, match="exists"):
        save_keyfile(path, "//Bob", PASSWORD, scrypt_log_n=CHEAP)
    assert path.read_bytes() == before


def test_any_altered_byte_is_noticed(tmp_path: Path) -> None:
    path = saved(tmp_path)
    data = path.read_bytes()
    for at in range(0, len(data), 3):
        altered = bytearray(data)
        altered[at] ^= 0x40
        path.write_bytes(altered)
        with pytest.raises((StorageCorrupt, InvalidKey), match=r"account\.key"):
            load_keyfile(path, PASSWORD)


def test_any_cut_is_noticed(tmp_path: Path) -> None:
    path = saved(tmp_path)
    data = path.read_bytes()
    for size in (0, 7, 8, 9, 41, 42, 58, 59, 100, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises((StorageCorrupt, InvalidKey), match=r"account\.key"):
            load_keyfile(path, PASSWORD)
    path.write_bytes(data + b"\0")
    with pytest.raises(StorageCorrupt):
        load_keyfile(path, PASSWORD)


def forged(path: Path, at: int, value: int) -> None:
    """Set a byte and make the checksum fit again, as an attacker would."""
    data = bytearray(path.read_bytes()[:-16])
    data[at] = value
    path.write_bytes(bytes(data) + blake2_128(bytes(data)))


@pytest.mark.parametrize(
    ("at", "value", "match"),
    [
        (8, 2, "version 2"),
        (9, module.SCRYPT_LOG_N_MAX + 1, "cost"),
        (9, 63, "cost"),
        (9, 255, "cost"),
        (9, module.SCRYPT_LOG_N_MIN - 1, "cost"),
        (9, 0, "cost"),
        (10, 255, "cost"),
        (10, 0, "cost"),
        (11, 0, "parallelism"),
        (11, module.SCRYPT_P_MAX + 1, "parallelism"),
    ],
)
def test_absurd_parameters_are_refused_before_any_work(
    tmp_path: Path, at: int, value: int, match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path)
    forged(path, at, value)
    monkeypatch.setattr(module, "Scrypt", None)
    with pytest.raises(InvalidKey, match=match):
        load_keyfile(path, PASSWORD)


@pytest.mark.parametrize("at", [11, 12, 28, 42, 60])
def test_a_forged_file_is_not_opened(tmp_path: Path, at: int) -> None:
    path = saved(tmp_path)
    forged(path, at, path.read_bytes()[at] ^ 3)
    with pytest.raises(InvalidKey, match="password"):
        load_keyfile(path, PASSWORD)


def test_other_files_are_not_key_files(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    with pytest.raises(InvalidKey, match="not a key file"):
        load_keyfile(path, PASSWORD)
    with pytest.raises(InvalidKey, match="no key file"):
        load_keyfile(tmp_path / "absent", PASSWORD)
    with pytest.raises(InvalidKey, match="cannot read"):
        load_keyfile(tmp_path, PASSWORD)
    path.write_bytes(module._MAGIC + bytes(module.KEY_FILE_BYTES_MAX))
    with pytest.raises(StorageCorrupt, match="more than"):
        load_keyfile(path, PASSWORD)


@pytest.mark.parametrize("log_n", [module.SCRYPT_LOG_N_MIN - 1, module.SCRYPT_LOG_N_MAX + 1])
def test_a_cost_that_could_not_be_read_is_not_written(tmp_path: Path, log_n: int) -> None:
    with pytest.raises(InvalidKey, match="cost"):
        save_keyfile(tmp_path / "k", "//Alice", PASSWORD, scrypt_log_n=log_n)


def test_the_longest_uri_fits_into_its_files(tmp_path: Path) -> None:
    suri = "//" + "\U0001f600" * 1022
    path = tmp_path / "account.key"
    made = save_keyfile(path, suri, PASSWORD, scrypt_log_n=CHEAP)
    assert load_keyfile(path, PASSWORD) == made
    store = Keystore(tmp_path / "keystore")
    assert store.pair(BABE, store.insert(BABE, suri)) == made


# Phrases.


@pytest.mark.parametrize("words", [12, 15, 18, 21, 24])
def test_phrases_are_new_and_usable(words: int) -> None:
    phrase = generate_phrase(words)
    assert len(phrase.split()) == words
    assert phrase != generate_phrase(words)
    KeyPair.from_suri(phrase)


@pytest.mark.parametrize("words", [0, 11, 13, 25])
def test_other_numbers_of_words_are_refused(words: int) -> None:
    with pytest.raises(InvalidKey, match="words"):
        generate_phrase(words)


def test_a_key_file_takes_no_name_that_exists_even_as_a_dangling_link(tmp_path: Path) -> None:
    target = tmp_path / "key"
    target.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidKey, match="not overwritten"):
        save_keyfile(target, "//Alice", "password", scrypt_log_n=14)
    assert target.is_symlink()
    assert not (tmp_path / "elsewhere").exists()


def test_a_key_file_that_was_not_written_leaves_its_name_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(InvalidKey, match="No space"):
            save_keyfile(tmp_path / "key", "//Alice", "password", scrypt_log_n=14)
    assert list(tmp_path.iterdir()) == []
    save_keyfile(tmp_path / "key", "//Alice", "password", scrypt_log_n=14)
