"""``payment_*``: what a transaction would cost."""

from typing import Final

from node.rpc.context import RpcContext
from node.rpc.jsonrpc import Json
from node.rpc.registry import rpc_method
from node.runtime import apis
from node.runtime.apis import RuntimeDispatchInfo
from pallets.frame.dispatch import DispatchClass
from pallets.transaction_payment.types import FeeDetails
from primitives.errors import DecodeError, RpcError
from primitives.scale import decode
from primitives.types import Hash

__all__: list[str] = []

DECODE_ERROR: Final = 2


def _ask(ctx: RpcContext, function: str, extrinsic: bytes, hash_: Hash | None) -> bytes:
    length = len(extrinsic).to_bytes(4, "little")
    try:
        return apis(ctx.runtime(hash_)).call(
            f"TransactionPaymentApi_{function}", extrinsic + length
        )
    except DecodeError as error:
        raise RpcError(DECODE_ERROR, "Unable to query dispatch info.", str(error)) from error


@rpc_method("payment_queryInfo", stable=True)
def query_info(ctx: RpcContext, extrinsic: bytes, hash_: Hash | None = None) -> Json:
    """Weight, class and fee of a transaction."""
    info = decode(RuntimeDispatchInfo, _ask(ctx, "query_info", extrinsic, hash_))
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
    details = decode(FeeDetails, _ask(ctx, "query_fee_details", extrinsic, hash_))
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
