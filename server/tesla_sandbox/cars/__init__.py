"""Simulated Tesla cars: physics, commands, keys and the signed command protocol."""
