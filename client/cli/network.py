"""``cess network``: the chain's heads and its storage miners."""

from typing import Any

import click

from client.cli.session import chain_options, open_chain, run_async, size_text, tell, with_errors

__all__ = ["network"]


@click.command()
@chain_options
@with_errors
def network(rpc: tuple[str, ...], as_json: bool) -> None:
    """Show the best and the finalized block, and every registered miner."""
    from client.overview import network_document

    async def work() -> dict[str, Any]:
        async with open_chain(rpc) as chain:
            return await network_document(chain)

    document = run_async(work)
    tell(document, as_json=as_json, text=network_text(document))


def network_text(document: dict[str, Any]) -> str:
    """The network as a table for people."""
    lines = [f"best block {document['best']}, finalized {document['finalized']}"]
    if document["miners"]:
        lines.append(
            f"{'miner':<50} {'state':<9}{'declared':>11}{'idle':>11}{'service':>11}"
            f"{'locked':>11}{'faults':>8}  last audit"
        )
    for item in document["miners"]:
        sizes = "".join(
            f"{size_text(item[name]):>11}" for name in ("declared", "idle", "service", "locked")
        )
        audit = "-" if item["last_audit"] is None else f"block {item['last_audit']}"
        lines.append(f"{item['account']:<50} {item['state']:<9}{sizes}{item['faults']:>8}  {audit}")
    return "\n".join(lines) if document["miners"] else f"{lines[0]}\nno storage miners"
