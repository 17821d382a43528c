"""py-evm and eth-tester, and signatures for every EVM peer: bench_peers runs it where they are.

`sign COUNT CHAIN` prints signed transfers in hex, the senders by turns. `process COUNT TESTED`
prints as JSON the seconds and the processor's seconds of py-evm, which executes and mines COUNT
transfers in blocks of `BLOCK`, and of eth-tester, which takes TESTED one by one, each into a block
of its own as it does by default; both in this process. `serve PORT` is JSON-RPC over WebSocket
around eth-tester: it has none itself.
"""

import json
import sys
import threading
import time

from eth_account import Account
from eth_tester import EthereumTester, PyEVMBackend
from websockets.sync.server import ServerConnection, serve

PHRASE = "test test test test test test test test test test test junk"
PATH = "m/44'/60'/0'/0"
SENDERS = 10
RECIPIENT = "0x" + "42" * 20
GAS = 21_000
GAS_PRICE = 10**11  # above the base fee of every block
CHAIN_ID = 131_277_322_940_537  # eth-tester's
BLOCK = 1_000  # transfers: below the gas that a block of eth-tester's genesis may use


def signed(count: int, chain_id: int) -> list[str]:
    """Transfers of the senders, who take turns."""
    Account.enable_unaudited_hdwallet_features()
    senders = [Account.from_mnemonic(PHRASE, account_path=f"{PATH}/{at}") for at in range(SENDERS)]
    found = []
    for number in range(count):
        nonce, at = divmod(number, SENDERS)
        made = senders[at].sign_transaction(
            {
                "nonce": nonce,
                "to": RECIPIENT,
                "value": 1,
                "gas": GAS,
                "gasPrice": GAS_PRICE,
                "chainId": chain_id,
            }
        )
        found.append("0x" + bytes(made.raw_transaction).hex())
    return found


def backend() -> PyEVMBackend:
    return PyEVMBackend.from_mnemonic(PHRASE, num_accounts=SENDERS, hd_path=PATH)


class Spent:
    """Seconds and the processor's seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    def so_far(self) -> tuple[float, float]:
        wall, cpu = self._start
        return time.perf_counter() - wall, time.process_time() - cpu


def mined(count: int) -> tuple[float, float]:
    """What py-evm spends to decode, execute and mine this many."""
    raw = [bytes.fromhex(text[2:]) for text in signed(count, CHAIN_ID)]
    chain = backend().chain
    clock = Spent()
    for at in range(0, count, BLOCK):
        builder = chain.get_vm().get_transaction_builder()
        chain.mine_all([builder.decode(each) for each in raw[at : at + BLOCK]])
    spent = clock.so_far()
    assert chain.get_vm().state.get_balance(bytes.fromhex(RECIPIENT[2:])) == count
    return spent


def tested(count: int) -> tuple[float, float]:
    """What eth-tester spends to take this many."""
    texts = signed(count, CHAIN_ID)
    tester = EthereumTester(backend())
    clock = Spent()
    for text in texts:
        tester.send_raw_transaction(text)
    spent = clock.so_far()
    assert tester.get_balance(RECIPIENT) == count
    return spent


class Front:
    """What bench_peers asks, answered by eth-tester; it belongs to one thread at a time."""

    def __init__(self) -> None:
        self.backend = backend()
        self.tester = EthereumTester(self.backend)
        self.lock = threading.Lock()

    def result(self, method: str, params: list[str]) -> str:
        with self.lock:
            match method:
                case "eth_chainId":
                    return hex(CHAIN_ID)
                case "eth_blockNumber":
                    return hex(self.backend.chain.get_canonical_head().block_number)
                case "eth_getBlockTransactionCountByNumber":
                    number = int(params[0], 16)
                    block = self.backend.chain.get_canonical_block_by_number(number)
                    return hex(len(block.transactions))
                case "eth_sendRawTransaction":
                    return str(self.tester.send_raw_transaction(params[0]))
        raise LookupError(method)

    def handle(self, socket: ServerConnection) -> None:
        for text in socket:
            asked = json.loads(text)
            answer = {"jsonrpc": "2.0", "id": asked["id"]}
            try:
                answer["result"] = self.result(asked["method"], asked["params"])
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
                answer["error"] = {"code": -32000, "message": repr(error)}
            socket.send(json.dumps(answer))


def main(command: str, *arguments: str) -> None:
    numbers = [int(each) for each in arguments]
    match command:
        case "sign":
            print("\n".join(signed(*numbers)))
        case "process":
            count, one_by_one = numbers
            print(json.dumps({"py-evm": mined(count), "eth-tester": tested(one_by_one)}))
        case "serve":
            with serve(Front().handle, "127.0.0.1", *numbers, compression=None) as server:
                server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
