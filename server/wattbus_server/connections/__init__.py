"""Connections: link sessions, grants with their token keeper, and the directory of what was connected."""
