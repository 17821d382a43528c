"""``cess territory``: leasing the space that files need."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from client.cli.session import (
    account_of,
    amount,
    chain_options,
    key_options,
    open_chain,
    read_key,
    run_async,
    size_text,
    tell,
    territory_name,
    with_errors,
)

__all__ = ["territory"]

COUNT = click.IntRange(1, 2**32 - 1)
NAME = click.option("--name", default="default", show_default=True, help="The territory's name.")


@click.group()
def territory() -> None:
    """Lease space by units and days; a file takes three times its size, in whole segments."""


@territory.command()
@NAME
@click.option("--size", type=COUNT, required=True, help="Units of space; see `territory price`.")
@click.option("--days", type=COUNT, required=True, help="Days of the lease.")
@key_options
@chain_options
@with_errors
def mint(name: str, size: int, days: int, **options: Any) -> None:
    """Lease SIZE units of space for DAYS; the price is paid at once."""
    from pallets.storage_handler import StorageHandler
    from primitives.scale import U32

    _submit(
        options,
        name,
        StorageHandler.mint_territory,
        gib_count=U32(size),
        territory_name=territory_name(name),
        days=U32(days),
    )


@territory.command()
@NAME
@click.option("--size", type=COUNT, required=True, help="Units of space to add.")
@key_options
@chain_options
@with_errors
def expand(name: str, size: int, **options: Any) -> None:
    """Add SIZE units to a territory for the days that it has left."""
    from pallets.storage_handler import StorageHandler
    from primitives.scale import U32

    _submit(
        options,
        name,
        StorageHandler.expanding_territory,
        territory_name=territory_name(name),
        gib_count=U32(size),
    )


@territory.command()
@NAME
@click.option("--days", type=COUNT, required=True, help="Days to add.")
@key_options
@chain_options
@with_errors
def renew(name: str, days: int, **options: Any) -> None:
    """Extend a territory by DAYS; a frozen one becomes active again."""
    from pallets.storage_handler import StorageHandler
    from primitives.scale import U32

    _submit(
        options,
        name,
        StorageHandler.renewal_territory,
        territory_name=territory_name(name),
        days_count=U32(days),
    )


@territory.command(name="ls")
@click.option("--account", help="Whose territories; default: those of the key.")
@key_options
@chain_options
@with_errors
def list_territories(
    account: str | None,
    suri: str | None,
    keyfile: Path | None,
    password_file: Path | None,
    rpc: tuple[str, ...],
    as_json: bool,
) -> None:
    """List the territories of an account."""
    from client.overview import territories_document

    owner = (
        account_of(account)
        if account is not None
        else read_key(suri, keyfile, password_file).account_id
    )

    async def work() -> list[dict[str, Any]]:
        async with open_chain(rpc) as chain:
            return await territories_document(chain, owner)

    found = run_async(work)
    lines = [
        f"{item['name']:<16} {item['state']:<9} {size_text(item['used'])} used, "
        f"{size_text(item['locked'])} locked, {size_text(item['remaining'])} left of "
        f"{size_text(item['total'])}, until block {item['deadline']}"
        for item in found
    ]
    tell({"territories": found}, as_json=as_json, text="\n".join(lines) or "no territories")


@territory.command()
@chain_options
@with_errors
def price(rpc: tuple[str, ...], as_json: bool) -> None:
    """Show the price of a unit of space and its size."""
    from pallets.storage_handler import StorageHandler

    async def work() -> dict[str, Any]:
        async with open_chain(rpc) as chain:
            planck = await chain.read(StorageHandler.unit_price)
            return {
                "unit_bytes": int(await chain.constant("StorageHandler", "SpaceUnitBytes")),
                "price": str(int(planck)),
                "days_min": int(await chain.constant("StorageHandler", "LeaseDaysMin")),
            }

    document = run_async(work)
    text = (
        f"{amount(int(document['price']))} for {size_text(document['unit_bytes'])} and day, "
        f"at least {document['days_min']} days"
    )
    tell(document, as_json=as_json, text=text)


def _submit(
    options: dict[str, Any], name: str, function: Callable[..., Any], **arguments: Any
) -> None:
    signer = read_key(options["suri"], options["keyfile"], options["password_file"])

    async def work() -> dict[str, Any]:
        async with open_chain(options["rpc"]) as chain:
            receipt = await chain.submit(chain.call(function, **arguments), signer)
            assert receipt.block_hash is not None, "because it waited for inclusion"
            paid = sum(
                int(item.fields["spend"])
                for item in receipt.events
                if item.pallet == "StorageHandler" and "spend" in item.fields
            )
            return {
                "name": name,
                "paid": str(paid),
                "block_hash": f"0x{receipt.block_hash.hex()}",
            }

    document = run_async(work)
    text = f"territory {name}: {amount(int(document['paid']))} paid"
    tell(document, as_json=options["as_json"], text=text)
