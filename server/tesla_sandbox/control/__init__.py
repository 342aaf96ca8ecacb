"""The sandbox's own control surface: a JSON API for scripts and a live page for people."""
