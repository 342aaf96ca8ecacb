"""Fleet Telemetry: what cars stream, and the outputs of the server that receives it."""
