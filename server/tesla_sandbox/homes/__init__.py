"""Simulated homes: sun, load, Powerwalls, grid, and the settings that steer them."""
