"""Devices: which ones there are, whose they are, and how they are selected."""
