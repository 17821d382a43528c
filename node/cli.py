"""``cess node`` and ``cess chain-spec``: Substrate's flags, with errors that say what to do.

Commands import what they need when they run, so ``--help`` answers at once.
Exit codes: 0 done, 1 failed, 2 wrong usage.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from primitives.errors import CessError

__all__ = ["chain_spec", "main", "node"]

F = TypeVar("F", bound=Callable[..., Any])

DEV_KEYS = ("alice", "bob", "charlie", "dave", "eve", "ferdie")


@contextmanager
def _errors() -> Iterator[None]:
    """Expected failures end the command with their text and exit code 1."""
    try:
        yield
    except CessError as error:
        raise click.ClickException(str(error)) from error


def _chain_options(function: F) -> F:
    """The options that say which chain, and where its files are."""
    options = (
        click.option("--chain", metavar="CHAIN", help="dev, local, testnet, or a chain spec file."),
        click.option("--dev", is_flag=True, help="The development chain."),
        click.option(
            "-d",
            "--base-path",
            type=click.Path(path_type=Path, file_okay=False),
            help="Where the node keeps its files.  [default: ~/.local/share/cess-node]",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _network_options(function: F) -> F:
    """The options of the peer-to-peer network."""
    peers = click.IntRange(0, 1000)
    options = (
        click.option(
            "--port",
            type=click.IntRange(0, 65535),
            help="Of the peer-to-peer network, TCP and WebSocket; 0 takes a free one.  "
            "[default: 30333]",
        ),
        click.option(
            "--listen-addr",
            multiple=True,
            metavar="MULTIADDR",
            help="Where to listen, such as /ip4/0.0.0.0/tcp/30333.  [default: all interfaces; with "
            "--dev this machine only]",
        ),
        click.option(
            "--public-addr",
            multiple=True,
            metavar="MULTIADDR",
            help="Where others find this node, if it cannot know that itself.",
        ),
        click.option(
            "--bootnodes",
            multiple=True,
            metavar="MULTIADDR",
            help="A node to begin with: /ip4/ADDRESS/tcp/PORT/p2p/PEER.  [also: the chain spec's]",
        ),
        click.option(
            "--reserved-nodes",
            multiple=True,
            metavar="MULTIADDR",
            help="A node to be connected with always.",
        ),
        click.option("--reserved-only", is_flag=True, help="Connect with reserved nodes only."),
        click.option(
            "--in-peers", type=peers, default=32, show_default=True, help="Full nodes let in."
        ),
        click.option(
            "--out-peers", type=peers, default=8, show_default=True, help="Full nodes sought."
        ),
        click.option(
            "--in-peers-light",
            type=peers,
            default=100,
            show_default=True,
            help="Light clients let in.",
        ),
        click.option("--no-mdns", is_flag=True, expose_value=False, help="There is none."),
        click.option(
            "--sync",
            type=click.Choice(["full", "fast", "warp"]),
            default="full",
            show_default=True,
            help="full: all blocks; fast: headers and the latest state; warp: proofs of finality "
            "and the latest state.",
        ),
        click.option(
            "--node-key", metavar="HEX", help="The node's own key; others can read it in `ps`."
        ),
        click.option(
            "--node-key-file",
            type=click.Path(path_type=Path, dir_okay=False),
            help="File of the node's own key.  [default: made in the base path]",
        ),
        click.option(
            "--unsafe-force-node-key-generation",
            is_flag=True,
            help="A new key at each start, kept nowhere.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _node_options(function: F) -> F:
    integer = click.IntRange(min=1)
    groups = (
        click.option("--tmp", is_flag=True, help="Keep the files in a temporary directory."),
        click.option("--validator", is_flag=True, help="Author and finalise blocks."),
        *(
            click.option(
                f"--{name}",
                "dev_key",
                flag_value=name,
                help=f"Use the keys of //{name.capitalize()}; implies --validator.",
            )
            for name in DEV_KEYS
        ),
        click.option(
            "--force-authoring",
            is_flag=True,
            help="Author without peers though there are other authors; --dev implies it.",
        ),
        click.option(
            "--no-twin-watch",
            is_flag=True,
            help="Sign at once, and whoever else signs with the same keys.",
        ),
        click.option("--no-grandpa", is_flag=True, help="Do not finalise blocks."),
        click.option("--name", help="The node's name in its log and metrics."),
        click.option(
            "--rpc-port",
            type=click.IntRange(0, 65535),
            default=9944,
            show_default=True,
            help="HTTP and WebSocket on one port; 0 takes a free one.",
        ),
        click.option("--rpc-external", is_flag=True, help="Listen at all interfaces."),
        click.option("--unsafe-rpc-external", is_flag=True, help="The same, for a validator too."),
        click.option(
            "--rpc-methods",
            type=click.Choice(["auto", "safe", "unsafe"]),
            default="auto",
            show_default=True,
            help="auto: unsafe methods while the port is local.",
        ),
        click.option(
            "--rpc-cors",
            metavar="ORIGINS",
            help="Origins of browsers that may call, with commas between, or all.  [default: "
            "localhost, https://polkadot.js.org]",
        ),
        click.option(
            "--rpc-max-connections",
            type=integer,
            default=100,
            show_default=True,
            help="Requests and sockets served at a time.",
        ),
        click.option(
            "--rpc-max-request-size",
            type=integer,
            default=15,
            show_default=True,
            help="MiB of a request.",
        ),
        click.option(
            "--rpc-max-response-size",
            type=integer,
            default=15,
            show_default=True,
            help="MiB of an answer.",
        ),
        click.option(
            "--rpc-max-subscriptions-per-connection",
            type=integer,
            default=1024,
            show_default=True,
            help="Subscriptions of one socket.",
        ),
        click.option(
            "--rpc-message-buffer-capacity-per-connection",
            type=integer,
            default=64,
            show_default=True,
            help="Events that wait for a slow reader of a subscription.",
        ),
        click.option(
            "--rpc-max-batch-request-len",
            type=integer,
            default=1024,
            show_default=True,
            help="Calls in one batch.",
        ),
        click.option(
            "--rpc-rate-limit",
            type=integer,
            help="Calls of one connection in a minute; each call of a batch counts.  "
            "[default: no limit]",
        ),
        click.option("--rpc-disable-batch-requests", is_flag=True, help="Refuse batches."),
        click.option(
            "--pool-limit",
            type=integer,
            default=8192,
            show_default=True,
            help="Transactions in the pool.",
        ),
        click.option(
            "--pool-kbytes",
            type=integer,
            default=20480,
            show_default=True,
            help="KiB of transactions in the pool.",
        ),
        click.option(
            "--state-pruning",
            "--pruning",
            metavar="N|archive",
            default="256",
            show_default=True,
            help="Final states to keep.",
        ),
        click.option(
            "--blocks-pruning",
            metavar="N|archive",
            default="archive",
            show_default=True,
            help="Final bodies to keep.",
        ),
        click.option(
            "--database",
            type=click.Choice(["auto", "leveldb"]),
            default="auto",
            show_default=True,
            help="The store.",
        ),
        click.option(
            "--signature-workers",
            type=click.IntRange(0, 4),
            help="Processes that check signatures.  [default: one fewer than processors]",
        ),
        click.option("--in-memory", is_flag=True, help="Keep the chain in memory only."),
        click.option(
            "--keystore-path",
            type=click.Path(path_type=Path, file_okay=False),
            help="The keystore.  [default: in the base path]",
        ),
        click.option(
            "--prometheus-port",
            type=click.IntRange(0, 65535),
            default=9615,
            show_default=True,
            help="Metrics.",
        ),
        click.option("--prometheus-external", is_flag=True, help="Metrics at all interfaces."),
        click.option("--no-prometheus", is_flag=True, help="No metrics."),
        click.option(
            "-l",
            "--log",
            "log_filters",
            multiple=True,
            metavar="TARGET=LEVEL",
            help="What to print: info, rpc=debug, …",
        ),
        click.option(
            "--log-format",
            type=click.Choice(["human", "json"]),
            default="human",
            show_default=True,
            help="How to print it.",
        ),
    )
    for option in reversed(groups):
        function = option(function)
    return function


@click.group(invoke_without_command=True)
@_chain_options
@_node_options
@_network_options
@click.pass_context
def node(context: click.Context, /, **flags: Any) -> None:
    """Run a node, or work on its files with a command.

    With --dev: the development chain with Alice's keys in a temporary directory (unless --base-path
    is given), all RPC methods, all origins.
    """
    if context.invoked_subcommand is not None:
        context.obj = flags
        return
    with _errors():
        _run(flags)


def _run(flags: dict[str, Any]) -> None:
    from node import service
    from node.logging import configure

    configure(flags["log_filters"], style=flags["log_format"])
    config = _config(flags)
    service.run(config)


def _cors(value: str | None, *, is_dev: bool) -> tuple[str, ...] | None:
    if value is None:
        return None if is_dev else ()
    origins = tuple(part.strip() for part in value.split(",") if part.strip())
    return None if "all" in origins else origins


def _network(flags: dict[str, Any]) -> Any:
    from node.config import P2P_PORT, NetworkConfig

    return NetworkConfig(
        port=P2P_PORT if flags["port"] is None else flags["port"],
        port_is_given=flags["port"] is not None,
        is_local=flags["dev"],
        listen_addrs=flags["listen_addr"],
        public_addrs=flags["public_addr"],
        bootnodes=flags["bootnodes"],
        reserved_nodes=flags["reserved_nodes"],
        reserved_only=flags["reserved_only"],
        in_peers=flags["in_peers"],
        out_peers=flags["out_peers"],
        in_peers_light=flags["in_peers_light"],
        sync=flags["sync"],
        node_key=flags["node_key"],
        node_key_file=flags["node_key_file"],
        unsafe_generate_key=flags["unsafe_force_node_key_generation"],
    )


def _config(flags: dict[str, Any]) -> Any:
    import tempfile

    from node.config import InvalidConfig, NodeConfig, RpcConfig, default_base_path, parse_pruning

    is_dev = flags["dev"]
    dev_key = flags["dev_key"] or ("alice" if is_dev else None)
    is_authority = flags["validator"] or dev_key is not None
    if flags["rpc_external"] and is_authority and flags["rpc_methods"] == "unsafe":
        raise InvalidConfig(
            "--rpc-external with --validator and --rpc-methods unsafe gives your keys away: use "
            "--rpc-methods safe, or --unsafe-rpc-external if the port is behind a firewall"
        )
    if flags["tmp"] and flags["base_path"] is not None:
        raise InvalidConfig("--tmp and --base-path exclude one another: give one of them")
    is_temporary = flags["tmp"] or (is_dev and flags["base_path"] is None)
    base_path = flags["base_path"] or default_base_path()
    if is_temporary:
        base_path = Path(tempfile.mkdtemp(prefix="cess-node-"))
    return NodeConfig(
        chain=_chain_of(flags, "local"),
        base_path=base_path,
        is_temporary=is_temporary,
        is_authority=is_authority,
        dev_key=dev_key,
        name=flags["name"] or (dev_key.capitalize() if dev_key else None),
        rpc=RpcConfig(
            port=flags["rpc_port"],
            external=flags["rpc_external"] or flags["unsafe_rpc_external"],
            methods=flags["rpc_methods"],
            cors=_cors(flags["rpc_cors"], is_dev=is_dev),
            connections_max=flags["rpc_max_connections"],
            request_mib=flags["rpc_max_request_size"],
            response_mib=flags["rpc_max_response_size"],
            subscription_count=flags["rpc_max_subscriptions_per_connection"],
            event_count=flags["rpc_message_buffer_capacity_per_connection"],
            rate_per_minute=flags["rpc_rate_limit"],
            batch_count=(
                0 if flags["rpc_disable_batch_requests"] else flags["rpc_max_batch_request_len"]
            ),
        ),
        network=_network(flags),
        pool_count=flags["pool_limit"],
        pool_kib=flags["pool_kbytes"],
        state_pruning=parse_pruning(flags["state_pruning"], "--state-pruning"),
        blocks_pruning=parse_pruning(flags["blocks_pruning"], "--blocks-pruning"),
        keystore_path=flags["keystore_path"],
        prometheus_port=None if flags["no_prometheus"] else flags["prometheus_port"],
        prometheus_external=flags["prometheus_external"],
        finalizes=not flags["no_grandpa"],
        forces_authoring=flags["force_authoring"] or is_dev,
        watches_twins=not flags["no_twin_watch"],
        in_memory=flags["in_memory"],
        signature_workers=flags["signature_workers"],
    )


def _chain_of(flags: dict[str, Any], default: str) -> str:
    if flags["dev"] and flags["chain"] not in (None, "dev"):
        raise click.UsageError("--dev and --chain exclude one another: give one of them")
    chain: str = "dev" if flags["dev"] else flags["chain"] or default
    return chain


def _place(context: click.Context, flags: dict[str, Any]) -> Any:
    """The configuration of a command on a chain's files; flags may stand before it, too."""
    from node.config import InvalidConfig, NodeConfig, default_base_path, parse_pruning

    outer = context.obj or {}
    merged = {name: flags.get(name) or outer.get(name) for name in ("chain", "dev", "base_path")}
    if merged["base_path"] is None and merged["dev"]:
        raise InvalidConfig("a development chain has no files of its own: give its --base-path")
    return NodeConfig(
        chain=_chain_of(merged, "local"),
        base_path=merged["base_path"] or default_base_path(),
        state_pruning=parse_pruning(
            flags.get("state_pruning") or outer.get("state_pruning") or "256", "--state-pruning"
        ),
    )


@node.command("purge-chain")
@_chain_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--forget-final",
    is_flag=True,
    help="Let this node make another history final: only where nobody relies on this one.",
)
@click.pass_context
def purge_chain(context: click.Context, /, yes: bool, forget_final: bool, **flags: Any) -> None:
    """Remove the chain's database; keys stay, and so does what this node signed."""
    with _errors():
        from node.maintenance import purge, remembered_final

        config = _place(context, flags)
        if not yes:
            click.confirm(
                f"Remove the database of '{config.chain}' in {config.base_path}?", abort=True
            )
        path = purge(config)
        click.echo(f"removed {path}" if path else "there is no database: nothing to remove")
        final = remembered_final(config, forgets=forget_final)
        if final is None:
            return
        if forget_final:
            click.echo(f"forgot that block {final} and those below it are final")
        else:
            click.echo(
                f"this node made blocks up to {final} final alone: on a chain without them it "
                "makes none final; --forget-final changes that, where nobody relies on them"
            )


_pruning = click.option(
    "--state-pruning", metavar="N|archive", help="As the database was made.  [default: 256]"
)


@node.command("export-blocks")
@click.argument("output", type=click.File("w", encoding="utf-8", lazy=False), default="-")
@_chain_options
@_pruning
@click.option("--from", "first", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--to", "last", type=click.IntRange(min=1), help="[default: the best block]")
@click.pass_context
def export_blocks(
    context: click.Context, /, output: Any, first: int, last: int | None, **flags: Any
) -> None:
    """Write blocks to a file, one JSON document in a line, for import-blocks."""
    with _errors():
        from node.maintenance import export

        count = export(_place(context, flags), output, first, last)
        click.echo(f"exported {count} blocks", err=True)


@node.command("import-blocks")
@click.argument("source", type=click.File("r", encoding="utf-8"), default="-")
@_chain_options
@_pruning
@click.pass_context
def import_blocks(context: click.Context, /, source: Any, **flags: Any) -> None:
    """Check, execute and keep the blocks of a file that export-blocks wrote."""
    with _errors():
        from node.maintenance import import_

        count, best = import_(_place(context, flags), source)
        click.echo(f"imported {count} blocks; the best one is #{best}", err=True)


@node.command("revert")
@click.argument("count", type=click.IntRange(min=1), default=256)
@_chain_options
@_pruning
@click.pass_context
def revert(context: click.Context, /, count: int, **flags: Any) -> None:
    """Forget the last COUNT blocks that are not final."""
    with _errors():
        from node.maintenance import revert as revert_blocks

        done, best = revert_blocks(_place(context, flags), count)
        click.echo(f"reverted {done} blocks; the best one is #{best}")
        if not done:
            click.echo("final blocks are never reverted", err=True)


@node.command("build-spec")
@click.option("--chain", default="local", show_default=True, help="dev, local, or a spec file.")
@click.option("--dev", is_flag=True, help="The development chain.")
@click.option("--raw", is_flag=True, help="With the state of block 0, as nodes share it.")
@click.option("--disable-default-bootnode", is_flag=True, help="Has no effect: there is none.")
def build_spec(chain: str, dev: bool, raw: bool, **_ignored: bool) -> None:
    """Print a chain spec; the same as `cess chain-spec build`."""
    with _errors():
        click.echo(_build("dev" if dev else chain, raw=raw), nl=False)


def _build(chain: str, *, raw: bool, validators: int | None = None) -> str:
    from node.genesis import genesis_state, load_spec

    spec = load_spec(chain)
    if validators is not None:
        from chain_spec.presets import with_validators

        spec = with_validators(spec, validators)
    if raw and not spec.is_raw:
        spec = spec.with_raw(genesis_state(spec))
    return spec.to_json()


@click.group("chain-spec")
def chain_spec() -> None:
    """Make and look into chain specs."""


@chain_spec.command("build")
@click.option("--chain", default="local", show_default=True, help="dev, local, or a spec file.")
@click.option("--raw", is_flag=True, help="With the state of block 0, as nodes share it.")
@click.option(
    "--validators",
    type=int,
    metavar="N",
    help="Of `dev` or `local`: N validators, //Alice to //Ferdie, then //Validator6 and so on.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="A file to write."
)
def build(chain: str, raw: bool, validators: int | None, output: Path | None) -> None:
    """Write a chain spec."""
    with _errors():
        text = _build(chain, raw=raw, validators=validators)
        if output is None:
            click.echo(text, nl=False)
        else:
            from chain_spec.spec import ChainSpec

            ChainSpec.from_json(text).save(output)


@chain_spec.command("inspect")
@click.argument("spec", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--state-version",
    type=click.Choice(["0", "1"]),
    default="1",
    show_default=True,
    help="The trie layout of the chain's state.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def inspect(spec: Path, state_version: str, as_json: bool) -> None:
    """State root and genesis hash of a chain spec; raw ones of any Substrate chain too."""
    with _errors():
        from node.genesis import inspect_spec

        found = inspect_spec(spec, int(state_version))
    if as_json:
        click.echo(json.dumps(found))
    else:
        for key, value in found.items():
            click.echo(f"{key}: {value}")


def main() -> None:
    """The program ``cess-node``."""
    node(prog_name="cess-node")


if __name__ == "__main__":
    main()
