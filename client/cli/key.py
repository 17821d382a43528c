"""``cess key``: making, looking at and inserting keys."""

from pathlib import Path
from typing import Any, cast

import click

from client.cli.session import (
    CommandFailed,
    json_option,
    read_key,
    read_password,
    tell,
    with_errors,
)

__all__ = ["key"]

SCHEME = click.Choice(["sr25519", "ed25519", "ecdsa"])
WORDS = click.Choice(["12", "15", "18", "21", "24"])
KEY_TYPE_BYTES = 4


@click.group()
def key() -> None:
    """Make, look at and insert keys."""


@key.command()
@click.option("--scheme", type=SCHEME, default="sr25519", show_default=True)
@click.option("--words", type=WORDS, default="12", show_default=True, help="Length of the phrase.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write an encrypted key file, and do not show the phrase.",
)
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with the password of the key file.",
)
@json_option
@with_errors
def generate(
    scheme: str, words: str, out: Path | None, password_file: Path | None, as_json: bool
) -> None:
    """Make a new key; without --out its phrase is shown: write it down, it is the only copy."""
    from primitives.crypto.keys import KeyPair, Scheme
    from primitives.keystore import generate_phrase, save_keyfile

    kind = cast("Scheme", scheme)
    phrase = generate_phrase(int(words))
    if out is not None:
        password = read_password(password_file, is_new=True)
        document = _public(save_keyfile(out, phrase, password, scheme=kind))
        document["keyfile"] = str(out)
    else:
        document = {"phrase": phrase, **_public(KeyPair.from_suri(phrase, kind))}
    tell(document, as_json=as_json, text=_lines(document))


@key.command()
@click.argument("what", required=False)
@click.option("--scheme", type=SCHEME, default="sr25519", show_default=True)
@click.option(
    "--keyfile", type=click.Path(path_type=Path, dir_okay=False), help="An encrypted key file."
)
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with the password of the key file.",
)
@json_option
@with_errors
def inspect(
    what: str | None,
    scheme: str,
    keyfile: Path | None,
    password_file: Path | None,
    as_json: bool,
) -> None:
    """Show the account of an address, a public key, //Name, a key file, or a phrase ("-" asks)."""
    from primitives.crypto.keys import KeyPair, Scheme
    from primitives.crypto.ss58 import ss58_decode

    kind = cast("Scheme", scheme)
    if (what is None) == (keyfile is None):
        raise CommandFailed("give an address, 0x and a public key, //Name, - or --keyfile FILE")
    if keyfile is not None:
        document = _public(read_key(None, keyfile, password_file))
    elif what == "-":
        phrase = click.prompt("Phrase", hide_input=True, err=True)
        document = _public(KeyPair.from_suri(phrase, kind))
    elif what is not None and what.startswith("//"):
        document = _public(KeyPair.from_suri(what, kind))
    elif what is not None and what.startswith("0x"):
        from client.cli.session import parse_hash

        document = _account(parse_hash(what))
    elif what is not None and len(what.split()) > 1:
        raise CommandFailed(
            "this looks like a phrase, and others can read the command line: write - in its place "
            "and it is asked for; take a new key if this one holds anything"
        )
    else:
        document = _account(ss58_decode(what or ""))
    tell(document, as_json=as_json, text=_lines(document))


@key.command()
@click.option(
    "--keystore-path",
    type=click.Path(path_type=Path, file_okay=False),
    help="The node's keystore directory.",
)
@click.option(
    "-d",
    "--base-path",
    type=click.Path(path_type=Path, file_okay=False),
    help="The node's base path; needs --chain-id.",
)
@click.option("--chain-id", help="The chain's id, which names its directory in the base path.")
@click.option("--key-type", required=True, help="Four letters, such as babe or gran.")
@click.option("--scheme", type=SCHEME, required=True)
@click.option(
    "--suri", help="A development key such as //Alice; otherwise the phrase is asked for."
)
@json_option
@with_errors
def insert(
    keystore_path: Path | None,
    base_path: Path | None,
    chain_id: str | None,
    key_type: str,
    scheme: str,
    suri: str | None,
    as_json: bool,
) -> None:
    """Put a key into the keystore of a node."""
    from primitives.crypto.keys import Scheme
    from primitives.keystore import Keystore

    if keystore_path is None:
        if base_path is None or chain_id is None:
            raise CommandFailed("give --keystore-path, or --base-path and --chain-id")
        keystore_path = base_path / "chains" / chain_id / "keystore"
    if len(key_type.encode()) != KEY_TYPE_BYTES:
        raise CommandFailed(f"{key_type!r} is not a key type: it has four letters, such as babe")
    if suri is not None and not suri.startswith("//"):
        raise CommandFailed(
            "--suri takes development keys only; leave it out and the phrase is asked for"
        )
    secret = suri if suri is not None else click.prompt("Phrase", hide_input=True, err=True)
    store = Keystore(keystore_path)
    public = store.insert(key_type.encode(), secret, cast("Scheme", scheme))
    document = {
        "public_key": f"0x{public.hex()}",
        "key_type": key_type,
        "keystore": str(keystore_path),
    }
    tell(document, as_json=as_json, text=_lines(document))


@key.command("generate-node-key")
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the key to a new file instead of showing it.",
)
@json_option
@with_errors
def generate_node_key(path: Path | None, as_json: bool) -> None:
    """Make a node's own key: prints it in hex, and its peer id on standard error."""
    from primitives.keystore import generate_node_key as write_node_key
    from primitives.keystore import new_node_key

    seed = write_node_key(path) if path is not None else new_node_key()
    document = {"peer_id": _peer_id(seed)}
    if path is not None:
        document["file"] = str(path)
        tell(document, as_json=as_json, text=_lines(document))
    elif as_json:
        tell({"node_key": seed.hex(), **document}, as_json=True, text="")
    else:
        click.echo(document["peer_id"], err=True)
        click.echo(seed.hex())


@key.command("inspect-node-key")
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="A file with a node key: 32 bytes, or 64 hexadecimal digits.",
)
@json_option
@with_errors
def inspect_node_key(path: Path, as_json: bool) -> None:
    """Print the peer id of a node key."""
    from primitives.keystore import load_node_key

    peer = _peer_id(load_node_key(path))
    tell({"peer_id": peer}, as_json=as_json, text=peer)


def _peer_id(seed: bytes) -> str:
    from primitives.keystore import node_public_key
    from primitives.peer_id import peer_id_of

    return peer_id_of(node_public_key(seed))


def _public(pair: Any) -> dict[str, Any]:
    return {
        "scheme": pair.scheme,
        **_account(pair.account_id),
        "public_key": f"0x{pair.public.hex()}",
    }


def _account(account: bytes) -> dict[str, Any]:
    from primitives.crypto.ss58 import ss58_encode

    return {"account": ss58_encode(account), "account_id": f"0x{account.hex()}"}


def _lines(document: dict[str, Any]) -> str:
    return "\n".join(
        f"{name.replace('_', ' ') + ':':<13} {text}" for name, text in document.items()
    )
