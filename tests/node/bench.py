"""A node without sockets and clocks: the real methods over a chain that the test drives."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import trio
import trio.testing

from chain_spec.presets import dev
from node.consensus.announcements import Announcements
from node.consensus.chain import Imported
from node.rpc.context import RpcContext
from node.rpc.dispatch import Dispatcher, Session
from node.rpc.jsonrpc import Limits as RpcLimits
from node.rpc.subscriptions import Outbox
from node.service import registry
from node.txpool.pool import Limits
from node.txpool.shell import TransactionPool
from node.txpool.validation import Validator
from primitives.errors import RpcError
from primitives.keystore import Keystore
from tests.node.net import Net


class Bench:
    """Ask it, author on it, and read what it sends."""

    def __init__(
        self,
        net: Net,
        session: Session,
        dispatcher: Dispatcher,
        pool: TransactionPool,
        announcements: Announcements,
    ) -> None:
        self.net = net
        self.session = session
        self.dispatcher = dispatcher
        self.pool = pool
        self.announcements = announcements

    async def answer(self, method: str, *params: Any) -> dict[str, Any]:
        """The whole answer."""
        return await self.answer_named(method, params)

    async def answer_named(self, method: str, params: Any) -> dict[str, Any]:
        """The whole answer to a call whose parameters may have names."""
        asked = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        answers: list[bytes | None] = []
        await self.dispatcher.answer(asked.encode(), self.session, answers.append)
        assert answers[0] is not None
        found: dict[str, Any] = orjson.loads(answers[0])
        return found

    async def ask(self, method: str, *params: Any) -> Any:
        """The result; raises ``RpcError`` for an error."""
        found = await self.answer(method, *params)
        if "error" in found:
            error = found["error"]
            raise RpcError(error["code"], error["message"], error.get("data"))
        return found["result"]

    async def author(self, *extrinsics: bytes, **options: Any) -> Imported:
        """Build a block of these (or of what the pool offers), and let everybody know."""
        chosen = extrinsics or tuple(self.pool.pending())
        _, imported = self.net.author(*chosen, **options)
        self.announcements.tell_imported(imported)
        await trio.testing.wait_all_tasks_blocked(0.01)
        return imported

    async def event(self) -> Any:
        """The next event of any subscription."""
        while (found := self.session.pop()) is None:
            await self.session.wait_message()
        return orjson.loads(found[0])["params"]["result"]


@asynccontextmanager
async def opened(
    net: Net,
    *,
    keystore: Keystore | None = None,
    deny_unsafe: bool = False,
    limits: Limits | None = None,
    **views: Any,
) -> AsyncIterator[Bench]:
    """A bench over this chain."""
    announcements = Announcements()
    pool = TransactionPool(Validator(net.chain), announcements, limits or Limits())
    context = RpcContext(
        chain=net.chain,
        pool=pool,
        announcements=announcements,
        spec=dev(),
        keystore=keystore,
        name="CESS Node",
        version="1.2.3",
        is_authority=True,
        starting_block=0,
        **views,
    )
    dispatcher = Dispatcher(registry(), context, limits=RpcLimits(), deny_unsafe=deny_unsafe)
    async with trio.open_nursery() as nursery:
        outbox = Outbox(seed=1, subscription_count=10, event_count=64)
        await nursery.start(pool.follow_chain)
        nursery.start_soon(pool.validate_submissions)
        yield Bench(net, Session(outbox, nursery), dispatcher, pool, announcements)
        nursery.cancel_scope.cancel()


def run(net: Net, test: Callable[[Bench], Awaitable[None]], **options: Any) -> None:
    """Run a test on a bench."""

    async def main() -> None:
        with trio.fail_after(30):
            async with opened(net, **options) as bench:
                await test(bench)

    trio.run(main)
