"""``cess devnet``: a whole network on this machine."""

import json
from pathlib import Path
from typing import Any

import click

from client.cli.session import json_option, tell, with_errors

__all__ = ["devnet"]

BASE = click.Path(path_type=Path, file_okay=False)
PORT = click.IntRange(1, 65_535)


@click.group()
def devnet() -> None:
    """Run a whole network on this machine: validators and storage miners, as real processes."""


@devnet.command()
@click.option("--base-path", type=BASE, required=True, help="Where everything is kept.")
@click.option(
    "--validators",
    type=int,
    default=1,
    show_default=True,
    help="1 to 32; one alone makes each block final at once, several vote.",
)
@click.option("--miners", type=click.IntRange(0, 32), default=12, show_default=True)
@click.option("--rpc-port", type=PORT, default=9944, show_default=True)
@click.option(
    "--gateway-port",
    type=PORT,
    default=8080,
    show_default=True,
    help="Has no effect: this version has no gateway.",
)
@click.option("--preset", default="dev", show_default=True, help="The chain: dev or local.")
@click.option("--idle-plots", type=click.IntRange(1), default=4, show_default=True)
@click.option(
    "--timeout",
    type=click.FloatRange(1),
    default=600,
    show_default=True,
    help="Seconds until it must be ready.",
)
@click.option("--detach", is_flag=True, help="Leave it running; stop it with `devnet down`.")
@json_option
@with_errors
def up(
    base_path: Path,
    validators: int,
    miners: int,
    rpc_port: int,
    gateway_port: int,  # noqa: ARG001 - accepted, so that scripts for later versions run
    preset: str,
    idle_plots: int,
    timeout: float,
    detach: bool,
    as_json: bool,
) -> None:
    """Start a network and say when it is ready; without --detach it ends with Ctrl-C."""
    from client.devnet import Devnet, DevnetPlan, raise_on_signals, start_detached

    plan = DevnetPlan(
        base_path=base_path,
        validators=validators,
        miners=miners,
        rpc_port=rpc_port,
        preset=preset,
        idle_plots=idle_plots,
        ready_timeout_s=timeout,
    )
    if detach:
        document = start_detached(plan)
        tell(document, as_json=as_json, text=devnet_text(document))
        return
    raise_on_signals()
    try:
        with Devnet(plan, lambda text: click.echo(text, err=True)) as network:
            document = network.start()
            text = f"{devnet_text(document)}\nready; Ctrl-C stops it"
            click.echo(json.dumps(document) if as_json else text)
            network.wait_for_end()
    except KeyboardInterrupt:
        click.echo("stopped", err=True)


@devnet.command()
@click.option("--base-path", type=BASE, required=True, help="The network's directory.")
@json_option
@with_errors
def status(base_path: Path, as_json: bool) -> None:
    """Show which processes of a network run."""
    from client.devnet import devnet_status

    document = devnet_status(base_path)
    tell(document, as_json=as_json, text=devnet_text(document))


@devnet.command()
@click.argument("name")
@click.option("--base-path", type=BASE, required=True, help="The network's directory.")
@json_option
@with_errors
def restart(name: str, base_path: Path, as_json: bool) -> None:
    """Start the validator NAME of a running network again, after it was killed."""
    from client.devnet import devnet_restart

    document = devnet_restart(base_path, name)
    tell(document, as_json=as_json, text=devnet_text(document))


@devnet.command()
@click.option("--base-path", type=BASE, required=True, help="The network's directory.")
@json_option
@with_errors
def down(base_path: Path, as_json: bool) -> None:
    """Stop a network; its files stay."""
    from client.devnet import devnet_down

    document = devnet_down(base_path)
    tell(document, as_json=as_json, text=f"stopped {document['stopped']} processes")


def devnet_text(document: dict[str, Any]) -> str:
    """A network for people."""
    lines = [f"node      {document['rpc']}", f"chain     {document['chain_spec']}"]
    for item in (*document["validators"], *document["miners"]):
        where = item.get("endpoint") or f"{item['rpc']}  {item['base_path']}"
        word = "" if item.get("running", True) else "  (not running)"
        lines.append(f"{item['name']:<9} process {item['pid']:<8} {where}{word}")
    return "\n".join(lines)
