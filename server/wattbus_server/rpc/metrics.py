"""Numbers about calls, by the names of gRPC's own metrics."""

from prometheus_client import Counter, Gauge, Histogram

CALLS = Counter("grpc_server_calls", "Finished calls.", ["grpc_method", "grpc_status"])
DURATION = Histogram(
    "grpc_server_call_duration_seconds",
    "Duration of unary calls.",
    ["grpc_method"],
    buckets=(0.001, 0.01, 0.1, 1, 10, 30),
)
OPEN_STREAMS = Gauge("wattbus_open_streams", "Open server streams.", ["grpc_method"])
