"""Vendors: the adapter contract, and one folder per vendor."""
