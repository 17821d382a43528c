"""Keys on disk: a node's keystore in Substrate's layout, and key files under a password.

The keystore is a directory (0700). The file ``hex(key type) ++ hex(public key)`` (0600) holds a
secret URI as a JSON string. It is plain text, as in Substrate: whoever reads the directory has the
keys.

A key file is for accounts that hold money. All integers are little-endian::

    offset  bytes  what
    0       8      magic "CESSKEY" and a zero
    8       1      version, 1
    9       1      binary logarithm of scrypt's N
    10      1      scrypt's r
    11      1      scrypt's p
    12      16     salt
    28      12     nonce
    40      2      length of what follows without the checksum: C
    42      C      AES-256-GCM of: scheme (1), length of the URI (2), URI, zeros up to 256 n;
                   bytes 0..41 are authenticated with it
    42 + C  16     blake2b-128 of all bytes before it: tells damage from a wrong password

A node key, which makes a node's peer id, is an ed25519 seed in a file of 32 bytes, or of 64
hexadecimal digits, as this module writes it.

A file is written beside its place, synced and renamed: a crash leaves the old one or the new one;
of a key file or node key, whose name is taken first, it may leave an empty one, which is refused.
The scheme of a keystore's key is not written down: it is the one that yields the public key.

This is the only module of the layer that touches files and asks the system for randomness.
Secrets are in no error, log or representation.

Bounds: ``KEY_FILE_BYTES_MAX`` for a file, ``KEYS_MAX`` files in a keystore, and scrypt costs within
``SCRYPT_LOG_N_MIN`` to ``SCRYPT_LOG_N_MAX``, that is 16 to 256 MiB of memory.
"""

import json
import os
import unicodedata
from pathlib import Path

import bip39
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from primitives.crypto.keys import SCHEMES, KeyPair, Scheme
from primitives.crypto.signatures import PUBLIC_BYTES
from primitives.errors import InvalidKey, StorageCorrupt
from primitives.hashing import blake2_128

__all__ = [
    "Keystore",
    "generate_node_key",
    "generate_phrase",
    "load_keyfile",
    "load_node_key",
    "new_node_key",
    "node_public_key",
    "parse_node_key",
    "save_keyfile",
]

KEY_TYPE_BYTES = 4
NODE_KEY_BYTES = 32
KEY_FILE_BYTES_MAX = 8192
KEYS_MAX = 10_000
PHRASE_WORDS = (12, 15, 18, 21, 24)

SCRYPT_LOG_N = 17
"""128 MiB and about half a second: what a guess at a password costs."""
SCRYPT_LOG_N_MIN = 14
SCRYPT_LOG_N_MAX = 18
SCRYPT_R = 8
SCRYPT_P = 1
SCRYPT_P_MAX = 4

_MAGIC = b"CESSKEY\0"
_VERSION = 1
_SALT_AT, _SALT_BYTES = 12, 16
_NONCE_AT, _NONCE_BYTES = 28, 12
_LENGTH_AT = 40
_BODY_AT = 42
_CHECKSUM_BYTES = 16
_PADDED_TO = 256
_AES_KEY_BYTES = 32
_TAKEN = "{} exists and is not overwritten: choose another name"


def generate_phrase(words: int = 12) -> str:
    """A new random phrase. Raises: InvalidKey unless ``words`` is 12, 15, 18, 21 or 24."""
    if words not in PHRASE_WORDS:
        raise InvalidKey(f"a phrase has 12, 15, 18, 21 or 24 words, not {words}")
    return str(bip39.bip39_generate(words))


class Keystore:
    """The keys of a node, each for one purpose: its ``key_type`` such as ``b"babe"``."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)

    def __repr__(self) -> str:
        return f"Keystore({str(self.directory)!r})"

    def insert(self, key_type: bytes, suri: str, scheme: Scheme = "sr25519") -> bytes:
        """Keep the key of a secret URI; its public key is returned once it is on disk.

        Raises: InvalidKey.
        """
        pair = KeyPair.from_suri(suri, scheme)
        path = self._path(key_type, pair.public)
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidKey(_cannot("make the keystore", self.directory, error)) from None
        _write(path, json.dumps(suri, ensure_ascii=False).encode())
        return pair.public

    def generate(self, key_type: bytes, scheme: Scheme = "sr25519") -> bytes:
        """Make and keep a new key; its public key is returned."""
        return self.insert(key_type, generate_phrase(), scheme)

    def public_keys(self, key_type: bytes) -> tuple[bytes, ...]:
        """The public keys of a type, in ascending order.

        Raises: StorageCorrupt for a file that is not a key; hidden files are passed over.
        """
        prefix = self._prefix(key_type)
        found = []
        for name in self._names():
            public = self._public_of(name)
            if name.startswith(prefix):
                found.append(public)
        return tuple(sorted(found))

    def pair(self, key_type: bytes, public: bytes) -> KeyPair | None:
        """The key pair of a public key; None if the keystore does not have it.

        Raises: StorageCorrupt if the file does not hold the secret of this public key.
        """
        path = self._path(key_type, public)
        data = _read(path)
        if data is None:
            return None
        try:
            suri = json.loads(data)
        except (ValueError, RecursionError):
            suri = None
        if not isinstance(suri, str):
            raise StorageCorrupt(f"{path} is not a JSON string: restore it or insert the key again")
        for scheme in SCHEMES:
            if len(public) != PUBLIC_BYTES[scheme]:
                continue
            try:
                pair = KeyPair.from_suri(suri, scheme)
            except InvalidKey:
                continue
            if pair.public == public:
                return pair
        raise StorageCorrupt(
            f"{path} holds the secret of another key than its name says: "
            "restore it or insert the key again"
        )

    def _names(self) -> list[str]:
        try:
            with os.scandir(self.directory) as entries:
                names = []
                for entry in entries:
                    if not entry.name.startswith("."):
                        names.append(entry.name)
                    if len(names) > KEYS_MAX:
                        raise StorageCorrupt(
                            f"{self.directory} holds more than {KEYS_MAX} files: it is no keystore"
                        )
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InvalidKey(_cannot("list the keystore", self.directory, error)) from None
        return names

    def _public_of(self, name: str) -> bytes:
        try:
            raw = bytes.fromhex(name)
        except ValueError:
            raw = b""
        if raw.hex() != name or len(raw) - KEY_TYPE_BYTES not in PUBLIC_BYTES.values():
            raise StorageCorrupt(
                f"{self.directory.joinpath(name)} is not named like a key (hex of the type and of "
                "the public key): move it out of the keystore"
            )
        return raw[KEY_TYPE_BYTES:]

    def _path(self, key_type: bytes, public: bytes) -> Path:
        if len(public) not in PUBLIC_BYTES.values():
            raise InvalidKey(f"a public key has 32 or 33 bytes, not {len(public)}")
        return self.directory.joinpath(self._prefix(key_type) + public.hex())

    @staticmethod
    def _prefix(key_type: bytes) -> str:
        if len(key_type) != KEY_TYPE_BYTES:
            raise InvalidKey(f"a key type has {KEY_TYPE_BYTES} bytes, not {len(key_type)}")
        return key_type.hex()


def save_keyfile(
    path: str | os.PathLike[str],
    suri: str,
    password: str,
    *,
    scheme: Scheme = "sr25519",
    scrypt_log_n: int = SCRYPT_LOG_N,
) -> KeyPair:
    """Write the key of a secret URI to a new file under ``password``; return its pair.

    Cost: one scrypt, 2^(scrypt_log_n + 10) bytes of memory.
    Raises: InvalidKey for a bad URI, an empty password or a file that exists.
    """
    pair = KeyPair.from_suri(suri, scheme)
    target = Path(path)
    if not password:
        raise InvalidKey("a key file needs a password: an empty one protects nothing")
    if not SCRYPT_LOG_N_MIN <= scrypt_log_n <= SCRYPT_LOG_N_MAX:
        raise InvalidKey(f"scrypt's cost is from {SCRYPT_LOG_N_MIN} to {SCRYPT_LOG_N_MAX}")
    if os.path.lexists(target):
        raise InvalidKey(_TAKEN.format(target))
    sealed = _sealed_keyfile(suri, password, scheme, scrypt_log_n)
    _reserve(target)
    try:
        _write(target, sealed)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return pair


def _reserve(target: Path) -> None:
    """Take a name that nobody has, not even by a link; two programs cannot both."""
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise InvalidKey(_TAKEN.format(target)) from None
    except OSError as error:
        raise InvalidKey(_cannot("write", target, error)) from None


def _sealed_keyfile(suri: str, password: str, scheme: Scheme, scrypt_log_n: int) -> bytes:
    text = suri.encode()
    plain = bytes((SCHEMES.index(scheme),)) + len(text).to_bytes(2, "little") + text
    plain += bytes(-len(plain) % _PADDED_TO)
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    length = len(plain) + _CHECKSUM_BYTES  # AES-GCM's tag has 16 bytes too
    costs = bytes((_VERSION, scrypt_log_n, SCRYPT_R, SCRYPT_P))
    head = _MAGIC + costs + salt + nonce + length.to_bytes(2, "little")
    key = _derive_key(password, salt, log_n=scrypt_log_n, p=SCRYPT_P)
    body = head + AESGCM(key).encrypt(nonce, plain, head)
    return body + _checksum(body)


def load_keyfile(path: str | os.PathLike[str], password: str) -> KeyPair:
    """Open a key file.

    Raises: InvalidKey for a wrong password or a file that is not ours; StorageCorrupt for damage.
    """
    source = Path(path)
    data = _read(source)
    if data is None:
        raise InvalidKey(f"there is no key file {source}")
    _check_keyfile(source, data)
    body = data[:-_CHECKSUM_BYTES]
    head = body[:_BODY_AT]
    key = _derive_key(password, head[_SALT_AT : _SALT_AT + _SALT_BYTES], log_n=head[9], p=head[11])
    nonce = head[_NONCE_AT : _NONCE_AT + _NONCE_BYTES]
    try:
        plain = AESGCM(key).decrypt(nonce, body[_BODY_AT:], head)
    except InvalidTag:
        raise InvalidKey(f"the password does not open {source}") from None
    end = 3 + int.from_bytes(plain[1:3], "little")
    if len(plain) < end or plain[0] >= len(SCHEMES):
        raise StorageCorrupt(f"{source} was written by a program with a mistake: restore a copy")
    try:
        return KeyPair.from_suri(plain[3:end].decode(), SCHEMES[plain[0]])
    except UnicodeDecodeError:
        raise StorageCorrupt(f"{source} holds no text: restore a copy") from None


def _check_keyfile(source: Path, data: bytes) -> None:
    """Refuse what is not a whole key file of this version with bearable costs."""
    if len(data) < len(_MAGIC) or not data.startswith(_MAGIC):
        raise InvalidKey(f"{source} is not a key file")
    if len(data) <= _BODY_AT + _CHECKSUM_BYTES:
        raise StorageCorrupt(f"{source} is cut short at {len(data)} bytes: restore a copy")
    if data[8] != _VERSION:
        raise InvalidKey(
            f"{source} has version {data[8]}; this program knows {_VERSION}: update it"
        )
    length = int.from_bytes(data[_LENGTH_AT:_BODY_AT], "little")
    if len(data) != _BODY_AT + length + _CHECKSUM_BYTES:
        raise StorageCorrupt(f"{source} has {len(data)} bytes, not what it says: restore a copy")
    if _checksum(data[:-_CHECKSUM_BYTES]) != data[-_CHECKSUM_BYTES:]:
        raise StorageCorrupt(f"the checksum of {source} does not match: restore a copy")
    log_n, r, p = data[9], data[10], data[11]
    if not SCRYPT_LOG_N_MIN <= log_n <= SCRYPT_LOG_N_MAX or r != SCRYPT_R:
        raise InvalidKey(f"{source} asks for an scrypt cost (N=2^{log_n}, r={r}) that is refused")
    if not 1 <= p <= SCRYPT_P_MAX:
        raise InvalidKey(f"{source} asks for an scrypt parallelism of {p}, which is refused")


def _derive_key(password: str, salt: bytes, *, log_n: int, p: int) -> bytes:
    """The AES key. Passwords are normalised (NFKC): the same letters typed on any keyboard."""
    secret = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogateescape")
    return Scrypt(salt=salt, length=_AES_KEY_BYTES, n=1 << log_n, r=SCRYPT_R, p=p).derive(secret)


def _checksum(body: bytes) -> bytes:
    return bytes(blake2_128(body))


def _read(path: Path) -> bytes | None:
    """The bytes of a key's file; None if there is none. Raises: InvalidKey, StorageCorrupt."""
    try:
        with path.open("rb") as file:
            data = file.read(KEY_FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidKey(_cannot("read", path, error)) from None
    if len(data) > KEY_FILE_BYTES_MAX:
        raise StorageCorrupt(f"{path} has more than {KEY_FILE_BYTES_MAX} bytes: it is not a key")
    return data


def _write(path: Path, data: bytes) -> None:
    """Put a whole file in place, readable by its owner only. Raises: InvalidKey."""
    temporary = path.with_name(f".{os.urandom(8).hex()}.tmp")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InvalidKey(_cannot("write", path, error)) from None


def _cannot(what: str, path: Path, error: OSError) -> str:
    return f"cannot {what} {path}: {error.strerror}; check the path and its permissions"


def new_node_key() -> bytes:
    """The seed of a new node key."""
    return os.urandom(NODE_KEY_BYTES)


def node_public_key(seed: bytes) -> bytes:
    """The ed25519 public key of a node key."""
    return KeyPair.from_seed(seed, "ed25519").public


def parse_node_key(text: str) -> bytes:
    """The seed of 64 hexadecimal digits. Raises: InvalidKey, without the text."""
    try:
        seed = bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError:
        seed = b""
    if len(seed) != NODE_KEY_BYTES:
        raise InvalidKey("a node key is 64 hexadecimal digits")
    return seed


def load_node_key(path: str | os.PathLike[str]) -> bytes:
    """The seed in a file, 32 bytes or hexadecimal. Raises: InvalidKey."""
    data = _read(Path(path))
    if data is None:
        raise InvalidKey(f"there is no node key {path}")
    if len(data) == NODE_KEY_BYTES:
        return data
    try:
        return parse_node_key(data.decode("ascii"))
    except (UnicodeDecodeError, InvalidKey):
        raise InvalidKey(
            f"{path} is no node key: it holds 32 bytes or 64 hexadecimal digits; make one with "
            "`cess key generate-node-key --file FILE`"
        ) from None


def generate_node_key(path: str | os.PathLike[str]) -> bytes:
    """A new seed, written for the owner only, never over another file. Raises: InvalidKey."""
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise InvalidKey(_cannot("write", target, error)) from error
    _reserve(target)
    seed = new_node_key()
    try:
        _write(target, seed.hex().encode())
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return seed
