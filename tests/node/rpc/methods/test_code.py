"""The code of the runtime, as clients ask for it."""

from node.runtime import VERSION
from node.runtime.version import CODE_KEY
from pallets.frame.code import code_version
from primitives.hashing import blake2_256
from tests.node.bench import Bench, run
from tests.node.net import Net, dev_state

KEY = f"0x{CODE_KEY.hex()}"


def test_code_is_read_hashed_and_measured_as_any_value(net: Net) -> None:
    code = dev_state()[CODE_KEY]

    async def test(bench: Bench) -> None:
        assert await bench.ask("state_getStorage", KEY) == f"0x{code.hex()}"
        assert await bench.ask("state_getStorageHash", KEY) == f"0x{blake2_256(code).hex()}"
        assert await bench.ask("state_getStorageSize", KEY) == len(code)
        proof = await bench.ask("state_getReadProof", [KEY])
        assert f"0x{code.hex()}" in proof["proof"]

    run(net, test)


def test_the_version_that_is_told_is_the_one_in_the_code(net: Net) -> None:
    async def test(bench: Bench) -> None:
        told = await bench.ask("state_getRuntimeVersion")
        version = code_version(dev_state()[CODE_KEY])
        assert version == VERSION
        assert told["specVersion"] == version.spec_version
        assert told["specName"] == version.spec_name
        assert told["apis"] == [[f"0x{name.hex()}", of] for name, of in version.apis]

    run(net, test)
