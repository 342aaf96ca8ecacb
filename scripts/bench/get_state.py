"""Calls of GetDeviceState a second, against a bare echo of messages of the same size."""

from wattbus.v1.device_service_pb2 import GetDeviceStateRequest

from scripts.bench import bare, subject
from scripts.bench.client import SERVICE, connected
from scripts.bench.comparison import Comparison, compared, interleaved
from scripts.bench.process import started

CALLERS = 32
CALLS = 1_600
ROUNDS = 25


async def run() -> list[Comparison]:
    """Measure."""
    async with (
        started(subject.__name__) as wattbus,
        started(bare.__name__) as plain,
        connected(wattbus) as to_wattbus,
        connected(plain) as to_plain,
    ):
        method = f"{SERVICE}/GetDeviceState"
        request = GetDeviceStateRequest(name=wattbus.ready["device"]).SerializeToString()
        answer = await to_wattbus.answer(method, request)

        async def ours() -> float:
            return await to_wattbus.calls_per_second(method, request, CALLERS, CALLS)

        async def echo() -> float:
            return await to_plain.calls_per_second(bare.ECHO, answer, CALLERS, CALLS)

        await ours()
        await echo()
        value, baseline = await interleaved(ours, echo, ROUNDS)
    return [compared("GetDeviceState", "calls/s", value, baseline, ">= 0.8")]
