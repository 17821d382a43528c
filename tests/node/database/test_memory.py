"""The store in memory keeps the rules of every store."""

import pytest

from node.database import KeyValue, MemoryKv
from tests.suites.key_value import KeyValueSuite


class TestMemoryKv(KeyValueSuite):
    @pytest.fixture
    def store(self) -> KeyValue:
        return MemoryKv()
