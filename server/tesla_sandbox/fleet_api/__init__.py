"""The Fleet API over HTTP: what is checked before every endpoint, and the endpoints."""
