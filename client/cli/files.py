"""``cess put``, ``get``, ``ls``, ``rm`` and ``file``."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from client.cli.progress import Progress
from client.cli.session import (
    CommandFailed,
    account_of,
    chain_options,
    key_options,
    open_chain,
    parse_hash,
    read_key,
    run_async,
    size_text,
    tell,
    territory_name,
    with_errors,
)

__all__ = ["get", "ls", "put", "rm", "show_file"]


@click.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--territory", default="default", show_default=True, help="Where its space is.")
@click.option("--public", is_flag=True, help="Store it openly, with its name; else it is sealed.")
@click.option(
    "--wait",
    type=click.Choice(["stored", "active", "finalized"]),
    default="active",
    show_default=True,
    help="stored: every holder has its fragment; active: all have reported it.",
)
@key_options
@chain_options
@with_errors
def put(
    path: Path,
    territory: str,
    public: bool,
    wait: str,
    suri: str | None,
    keyfile: Path | None,
    password_file: Path | None,
    rpc: tuple[str, ...],
    as_json: bool,
) -> None:
    """Encrypt PATH, cut it into fragments and store them; run it again to go on after a break."""
    from client.storing import StoredReceipt, Until, store_file
    from client.transfer.http import HolderHttp

    signer = read_key(suri, keyfile, password_file)
    territory_name(territory)

    async def work() -> StoredReceipt:
        async with open_chain(rpc) as chain, HolderHttp.open() as holders:
            return await store_file(
                chain,
                holders,
                path,
                signer,
                territory=territory,
                is_public=public,
                until=Until(wait),
                report=progress.update,
            )

    with Progress() as progress:
        receipt = run_async(work)
    prepared = receipt.prepared
    document = {
        "fid": f"0x{prepared.fid.hex()}",
        "name": prepared.name,
        "size": prepared.plain_size,
        "stored_bytes": prepared.size,
        "segments": len(prepared.segments),
        "fragments": sum(len(item.fragments) for item in prepared.segments),
        "territory": receipt.territory,
        "public": prepared.is_public,
        "state": receipt.state.value,
        "block_hash": None if receipt.declared_in is None else f"0x{receipt.declared_in.hex()}",
    }
    tell(document, as_json=as_json, text=str(document["fid"]))


@click.command()
@click.argument("fid")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--range", "span", metavar="START-END", help="Only these bytes, END not included.")
@key_options
@chain_options
@with_errors
def get(
    fid: str,
    out: Path,
    span: str | None,
    suri: str | None,
    keyfile: Path | None,
    password_file: Path | None,
    rpc: tuple[str, ...],
    as_json: bool,
) -> None:
    """Read the file FID into OUT; any 4 of the 12 holders of each segment are enough."""
    from client.transfer.fetch import fetch_file, fetch_range, open_stored
    from client.transfer.http import HolderHttp
    from client.vault.keys import VaultKey
    from primitives.types import FileHash

    has_key = suri is not None or keyfile is not None
    key = VaultKey.of(read_key(suri, keyfile, password_file)) if has_key else None
    file_hash = FileHash(parse_hash(fid))
    bounds = None if span is None else _range(span)

    async def work() -> dict[str, Any]:
        async with open_chain(rpc) as chain, HolderHttp.open() as holders:
            stored = await open_stored(chain, holders, file_hash)
            if bounds is not None:
                start, end = bounds
                found = await fetch_range(stored, out, key=key, start=start, end=end)
            else:
                found = await fetch_file(
                    stored, out, key=key, progress=partial(progress.update, "fetching")
                )
            return {"size": found.size, "name": found.name, "sealed": found.is_sealed}

    with Progress() as progress:
        result = run_async(work)
    document = {"fid": f"0x{file_hash.hex()}", "path": str(out), **result}
    tell(document, as_json=as_json, text=f"{out}: {size_text(result['size'])}")


@click.command()
@click.option("--account", help="Whose files; default: those of the key.")
@key_options
@chain_options
@with_errors
def ls(
    account: str | None,
    suri: str | None,
    keyfile: Path | None,
    password_file: Path | None,
    rpc: tuple[str, ...],
    as_json: bool,
) -> None:
    """List the files of an account; sealed names are shown to their owner."""
    from client.overview import files_document
    from client.vault.keys import VaultKey

    if account is not None:
        owner, key = account_of(account), None
    else:
        pair = read_key(suri, keyfile, password_file)
        owner, key = pair.account_id, VaultKey.of(pair)

    async def work() -> list[dict[str, Any]]:
        async with open_chain(rpc) as chain:
            return await files_document(chain, owner, key)

    files = run_async(work)
    lines = [
        f"{item['fid']}  {item['state']:<8} {size_text(item['size']):>10}  "
        f"{item['territory']:<12} {_printable(item['name'])}"
        for item in files
    ]
    tell({"files": files}, as_json=as_json, text="\n".join(lines) or "no files")


@click.command()
@click.argument("fid")
@key_options
@chain_options
@with_errors
def rm(
    fid: str,
    suri: str | None,
    keyfile: Path | None,
    password_file: Path | None,
    rpc: tuple[str, ...],
    as_json: bool,
) -> None:
    """Give up the file FID; with its last owner the network forgets it. Cancels an open upload."""
    from client.storing import forget_upload
    from pallets.file_bank import FileBank
    from primitives.types import FileHash

    signer = read_key(suri, keyfile, password_file)
    file_hash = FileHash(parse_hash(fid))

    async def work() -> str:
        async with open_chain(rpc) as chain:
            call = chain.call(FileBank.delete_file, owner=signer.account_id, file_hash=file_hash)
            receipt = await chain.submit(call, signer)
            assert receipt.block_hash is not None, "because it waited for inclusion"
            return f"0x{receipt.block_hash.hex()}"

    document = {"fid": f"0x{file_hash.hex()}", "block_hash": run_async(work)}
    forget_upload(file_hash)
    tell(document, as_json=as_json, text=f"given up {document['fid']}")


@click.command(name="file")
@click.argument("fid")
@key_options
@chain_options
@with_errors
def show_file(
    fid: str,
    suri: str | None,
    keyfile: Path | None,
    password_file: Path | None,
    rpc: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show each segment and fragment of FID: who holds it, where, and when it was audited."""
    from client.overview import file_document
    from client.vault.keys import VaultKey
    from primitives.types import FileHash

    has_key = suri is not None or keyfile is not None
    key = VaultKey.of(read_key(suri, keyfile, password_file)) if has_key else None
    file_hash = FileHash(parse_hash(fid))

    async def work() -> dict[str, Any]:
        async with open_chain(rpc) as chain:
            return await file_document(chain, file_hash, key)

    document = run_async(work)
    tell(document, as_json=as_json, text=file_text(document))


def file_text(document: dict[str, Any]) -> str:
    """A file's fragments as a table for people."""
    lines = [
        f"{document['fid']}  {_printable(document['name'])}",
        f"owner {document['owner']}, {size_text(document['size'])}, {document['state']}",
    ]
    for segment in document["segments"]:
        lines.append(f"segment {segment['index']}  {segment['hash']}")
        for item in segment["fragments"]:
            audit = "not yet" if item["last_audit"] is None else f"block {item['last_audit']}"
            lines.append(
                f"  {item['index']:>2}  {item['hash'][:18]}…  {item['state']:<8} "
                f"{item['miner'] or '-':<50} {_printable(item['endpoint'] or '-'):<26} "
                f"audited {audit}"
            )
    return "\n".join(lines)


def _range(text: str) -> tuple[int, int]:
    start, dash, end = text.partition("-")
    if not (dash and start.isdecimal() and end.isdecimal() and int(start) <= int(end)):
        raise CommandFailed(f"{text!r} is not a range: write START-END, such as 0-1024")
    return int(start), int(end)


def _printable(text: str) -> str:
    """A stranger's text without control characters, which fool terminals."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
