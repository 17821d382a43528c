"""``cess mdrc``: fingerprints of works, claims of ownership, near works."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from client.cli.session import (
    CommandFailed,
    chain_options,
    json_option,
    key_options,
    open_chain,
    parse_hash,
    read_key,
    run_async,
    tell,
    with_errors,
)

if TYPE_CHECKING:
    from client.chain import ChainClient
    from primitives.crypto.keys import KeyPair
    from primitives.types import FileHash

__all__ = ["mdrc"]

WORK = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group()
def mdrc() -> None:
    """Certificates of ownership: who was first to claim a work, and which works are near."""


@mdrc.command()
@click.argument("path", type=WORK)
@json_option
@with_errors
def fingerprint(path: Path, as_json: bool) -> None:
    """Show the fingerprints of PATH; nothing leaves this machine."""
    from client.works import fingerprint_file

    found = fingerprint_file(path)
    document = {
        "size": found.size,
        "instance": f"0x{found.instance.hex()}",
        "data": f"0x{found.data.hex()}",
        "content": None if found.content is None else f"0x{found.content.hex()}",
    }
    tell(document, as_json=as_json, text=_lines(document))


@mdrc.command()
@click.argument("path", type=WORK)
@click.option("--fid", help="The stored file; default: your one file with the name of PATH.")
@key_options
@chain_options
@with_errors
def claim(
    path: Path,
    fid: str | None,
    suri: str | None,
    keyfile: Path | None,
    password_file: Path | None,
    rpc: tuple[str, ...],
    as_json: bool,
) -> None:
    """Claim to be the first owner of the work PATH, which you have stored before.

    The claim publishes the fingerprints of PATH, also if it is stored sealed: whoever has the same
    or a near work, or guesses it, can then tell that you have it. Claim no private papers.
    """
    from client.works import claim_work, fingerprint_file
    from primitives.types import FileHash

    signer = read_key(suri, keyfile, password_file)
    found = fingerprint_file(path)

    async def work() -> dict[str, Any]:
        async with open_chain(rpc) as chain:
            named = (
                FileHash(parse_hash(fid))
                if fid is not None
                else await _stored_as(chain, path.name, signer)
            )
            receipt = await claim_work(chain, found, named, signer)
            assert receipt.block_hash is not None, "because it waited for inclusion"
            events = [item for item in receipt.events if item.pallet == "Mdrc"]
            claimed = next(item for item in events if item.name == "Claimed")
            return {
                "certificate": claimed.fields["certificate"],
                "fid": f"0x{named.hex()}",
                "block_hash": f"0x{receipt.block_hash.hex()}",
                "similar": [
                    {
                        "certificate": item.fields["earlier"],
                        "kind": str(item.fields["kind"]).lower(),
                        "distance": item.fields["distance"],
                    }
                    for item in events
                    if item.name == "SimilarWorkFound"
                ],
            }

    document = run_async(work)
    lines = [f"certificate {document['certificate']}"]
    lines += [
        f"near to the earlier {item['certificate']}: {item['distance']} of 256 bits differ"
        for item in document["similar"]
    ]
    tell(document, as_json=as_json, text="\n".join(lines))


@mdrc.command()
@click.argument("certificate")
@chain_options
@with_errors
def show(certificate: str, rpc: tuple[str, ...], as_json: bool) -> None:
    """Show a certificate."""
    from client.works import show_certificate
    from primitives.types import Hash

    number = Hash(parse_hash(certificate))

    async def work() -> dict[str, Any]:
        async with open_chain(rpc) as chain:
            return await show_certificate(chain, number)

    document = run_async(work)
    tell(document, as_json=as_json, text=_lines(document))


@mdrc.command()
@click.argument("path", type=WORK)
@chain_options
@with_errors
def search(path: Path, rpc: tuple[str, ...], as_json: bool) -> None:
    """Find certificates of the work PATH and of works near to it; only band numbers are asked."""
    from client.works import Search, certificate_document, fingerprint_file, search_works

    found = fingerprint_file(path)

    async def work() -> Search:
        async with open_chain(rpc) as chain:
            return await search_works(chain, found)

    result = run_async(work)
    document = {
        "exact": None if result.exact is None else f"0x{result.exact.hex()}",
        "near": [
            {
                **certificate_document(item.number, item.certificate),
                "kind": item.kind.name.lower(),
                "distance": item.distance,
            }
            for item in result.near
        ],
    }
    lines = [
        f"{item.distance:>3} of 256 bits differ ({item.kind.name.lower()}): "
        f"0x{item.number.hex()}, claimed in block {item.certificate.claimed_at}"
        for item in result.near
    ]
    tell(document, as_json=as_json, text="\n".join(lines) or "no near work is claimed")


async def _stored_as(chain: "ChainClient", name: str, signer: "KeyPair") -> "FileHash":
    from client.overview import files_document
    from client.vault.keys import VaultKey
    from primitives.types import FileHash

    files = await files_document(chain, signer.account_id, VaultKey.of(signer))
    # A sealed name is cut to what fits the chain, so it may be the beginning of the whole one.
    fids = [item["fid"] for item in files if name.startswith(item["name"])]
    if len(fids) != 1:
        raise CommandFailed(
            f"{len(fids)} of your stored files are called {name!r}; store it with `cess put`, or "
            "name the file with --fid (see `cess ls`)"
        )
    return FileHash(parse_hash(fids[0]))


def _lines(document: dict[str, Any]) -> str:
    return "\n".join(f"{name + ':':<13} {text}" for name, text in document.items())
