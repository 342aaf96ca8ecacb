"""Wattbus: a self-hosted, vendor-neutral gRPC service for people's energy devices."""
