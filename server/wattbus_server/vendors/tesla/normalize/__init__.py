"""Turns Tesla's bodies into states. Nothing here raises on odd input: what cannot be understood is absent."""
