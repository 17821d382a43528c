"""async-substrate-interface asks a node for a state that is no longer kept.

Its retrying client goes to an archive for such a state, if it understands the refusal. The argument
is the node's WebSocket address; how each question ended is printed as JSON.
"""

import asyncio
import json
import sys

from async_substrate_interface import AsyncSubstrateInterface
from async_substrate_interface.errors import StateDiscardedError


async def ended(attempt: object) -> str:
    try:
        await attempt
    except StateDiscardedError as error:
        return str(error)
    return "accepted"


async def main(url: str) -> dict[str, object]:
    async with AsyncSubstrateInterface(url, ss58_format=11330) as chain:
        old = await chain.get_block_hash(1)
        head = await chain.get_chain_head()
        return {
            "block": old,
            "init": await ended(chain.init_runtime(block_hash=old)),
            "query": await ended(chain.query("System", "Number", block_hash=old)),
            "head": await ended(chain.query("System", "Number", block_hash=head)),
        }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1]))))
