"""async-substrate-interface against a live node, in an environment of its own.

Its codec (cyscale) takes the module name of substrate-interface's codec, so the two cannot be
installed together. The argument is the node's WebSocket address; what it saw is printed as JSON.
"""

import asyncio
import json
import sys

import sr25519
from async_substrate_interface import AsyncSubstrateInterface
from async_substrate_interface.errors import SubstrateRequestException
from async_substrate_interface.utils import hex_to_bytes
from scalecodec.base import RuntimeConfigurationObject, ScaleBytes
from scalecodec.type_registry import load_type_registry_preset
from scalecodec.utils.ss58 import ss58_encode

UNIT = 10**18
SEEDS = {
    "dave": "868020ae0687dda7d57565093a69090211449845a7e11453612800b663307246",
    "eve": "786ad0e2df456fe43dd1f91ebca22e235bc162e0bb8d53c633e8c85b2af68b7a",
}


class Pair:
    """A key of sr25519 as the client expects one."""

    crypto_type = 1
    ss58_format = 11330

    def __init__(self, seed: str) -> None:
        self._pair = sr25519.pair_from_seed(bytes.fromhex(seed))
        self.public_key = self._pair[0]
        self.ss58_address = ss58_encode(self.public_key, 11330)

    def sign(self, data: object) -> bytes:
        raw = data if isinstance(data, bytes) else bytes(getattr(data, "data", data))
        return sr25519.sign(self._pair, raw)


async def refusal(attempt: object) -> str:
    try:
        await attempt
    except SubstrateRequestException as error:
        return str(error)
    return "accepted"


def decoded_again(raw: bytes) -> bool:
    config = RuntimeConfigurationObject(ss58_format=11330)
    config.update_type_registry(load_type_registry_preset("core"))
    metadata = config.create_scale_object("MetadataVersioned", data=ScaleBytes(raw))
    metadata.decode()
    again = config.create_scale_object("MetadataVersioned").encode(metadata.value)
    return bytes(again.data) == raw


async def main(url: str) -> dict[str, object]:
    seen: dict[str, object] = {}
    async with AsyncSubstrateInterface(url, ss58_format=11330) as chain:
        dave, eve = Pair(SEEDS["dave"]), Pair(SEEDS["eve"])
        seen["chain"] = await chain.rpc_request("system_chain", [])
        seen["chain"] = seen["chain"]["result"]
        await chain.init_runtime()
        deposit = await chain.get_constant("Balances", "ExistentialDeposit")
        seen["deposit"] = str(deposit.value)
        account = await chain.query("System", "Account", [eve.ss58_address])
        before = int(account["data"]["free"].value)
        seen["isRich"] = before > 0
        found = await chain.query_map("System", "Account", page_size=20)
        seen["accounts"] = len([entry async for entry in found])
        seen["nonce"] = await chain.get_account_next_index(dave.ss58_address, use_cache=False)
        miner = await chain.runtime_call("MinersApi", "miner", [dave.ss58_address])
        seen["ownApi"] = miner is None

        async def transfer(value: int, nonce: int | None = None) -> object:
            call = await chain.compose_call(
                "Balances", "transfer_keep_alive", {"dest": eve.ss58_address, "value": value}
            )
            return await chain.create_signed_extrinsic(call, dave, nonce=nonce)

        call = await chain.compose_call(
            "Balances", "transfer_keep_alive", {"dest": eve.ss58_address, "value": UNIT}
        )
        fee = await chain.get_payment_info(call, dave)
        seen["fee"] = fee["partial_fee"] > 0
        receipt = await chain.submit_extrinsic(await transfer(UNIT), wait_for_finalization=True)
        seen["ok"] = await receipt.is_success
        seen["finalized"] = receipt.finalized
        events = await receipt.triggered_events
        seen["events"] = [f"{event['module_id']}.{event['event_id']}" for event in events]
        after = await chain.query("System", "Account", [eve.ss58_address])
        seen["moved"] = str(int(after["data"]["free"].value) - before)
        seen["stale"] = await refusal(chain.submit_extrinsic(await transfer(1, nonce=0)))
        forged = bytearray(bytes((await transfer(2)).data.data))
        forged[60] ^= 1
        answer = chain.rpc_request("author_submitExtrinsic", ["0x" + forged.hex()])
        seen["forged"] = await refusal(answer)
        seen["metadata"] = []
        for version in (14, 15):
            data = f"0x{version.to_bytes(4, 'little').hex()}"
            answer = await chain.rpc_request("state_call", ["Metadata_metadata_at_version", data])
            raw = hex_to_bytes(answer["result"])
            length, mode = int.from_bytes(raw[1:5], "little") >> 2, raw[1] & 3
            assert mode == 2, "metadata of 16 KiB to 1 GiB"
            assert len(raw) == 5 + length
            seen["metadata"].append({"version": version, "equal": decoded_again(bytes(raw[5:]))})
    return seen


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1]))))
