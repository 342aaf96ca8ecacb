"""The gRPC face: one module per service, the gate before every call, validation, and problems as rich statuses."""
