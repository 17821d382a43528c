"""``payment_*``: what a transaction would cost."""

from typing import Final

from node.database import StateDiscarded, UnknownBlock
from node.rpc.context import RpcContext, unknown_to_api
from node.rpc.jsonrpc import Json
from node.rpc.registry import rpc_method
from node.runtime import apis
from node.runtime.apis import RuntimeDispatchInfo
from pallets.frame.dispatch import DispatchClass, RuntimePanic
from pallets.transaction_payment.types import FeeDetails
from primitives.errors import DecodeError, RpcError
from primitives.scale import decode
from primitives.types import Hash

__all__: list[str] = []

RUNTIME_ERROR: Final = 1
DECODE_ERROR: Final = 2

NO_INFO: Final = "Unable to query dispatch info."
NO_DETAILS: Final = "Unable to query fee details."


def _ask(
    ctx: RpcContext, function: str, extrinsic: bytes, hash_: Hash | None, failure: str
) -> bytes:
    length = len(extrinsic).to_bytes(4, "little")
    try:
        return apis(ctx.runtime(hash_)).call(
            f"TransactionPaymentApi_{function}", extrinsic + length
        )
    except DecodeError as error:
        raise RpcError(DECODE_ERROR, failure, str(error)) from error
    except (UnknownBlock, StateDiscarded) as error:
        raise RpcError(RUNTIME_ERROR, failure, unknown_to_api(error)) from error
    except RuntimePanic as error:
        raise RpcError(RUNTIME_ERROR, failure, str(error)) from error


@rpc_method("payment_queryInfo", stable=True)
def query_info(ctx: RpcContext, extrinsic: bytes, hash_: Hash | None = None) -> Json:
    """Weight, class and fee of a transaction."""
    info = decode(RuntimeDispatchInfo, _ask(ctx, "query_info", extrinsic, hash_, NO_INFO))
    return {
        "weight": {
            "ref_time": int(info.weight.ref_time),
            "proof_size": int(info.weight.proof_size),
        },
        "class": DispatchClass(info.class_).name.lower(),
        "partialFee": str(int(info.partial_fee)),
    }


@rpc_method("payment_queryFeeDetails", stable=True)
def query_fee_details(ctx: RpcContext, extrinsic: bytes, hash_: Hash | None = None) -> Json:
    """The parts of a transaction's fee."""
    answer = _ask(ctx, "query_fee_details", extrinsic, hash_, NO_DETAILS)
    details = decode(FeeDetails, answer)
    fee = details.inclusion_fee
    if fee is None:
        return {"inclusionFee": None}
    return {
        "inclusionFee": {
            "baseFee": hex(int(fee.base_fee)),
            "lenFee": hex(int(fee.len_fee)),
            "adjustedWeightFee": hex(int(fee.adjusted_weight_fee)),
        }
    }
