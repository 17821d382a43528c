"""The chain as clients see it: state, blocks, heads, and calls that are submitted and watched."""

from client.chain.calls import PreparedCall, prepare
from client.chain.client import BlockHead, ChainClient
from client.chain.endpoints import EndpointReport, Standing
from client.chain.errors import (
    CallFailed,
    ChainError,
    ChainMismatch,
    ChainUnreachable,
    MetadataMismatch,
    RpcFailed,
    SubmitTimeout,
    TransactionLost,
    TransactionRefused,
    UnknownBlock,
)
from client.chain.events import EventRecord
from client.chain.limits import ChainLimits
from client.chain.submit import Receipt

__all__ = [
    "BlockHead",
    "CallFailed",
    "ChainClient",
    "ChainError",
    "ChainLimits",
    "ChainMismatch",
    "ChainUnreachable",
    "EndpointReport",
    "EventRecord",
    "MetadataMismatch",
    "PreparedCall",
    "Receipt",
    "RpcFailed",
    "Standing",
    "SubmitTimeout",
    "TransactionLost",
    "TransactionRefused",
    "UnknownBlock",
    "prepare",
]
