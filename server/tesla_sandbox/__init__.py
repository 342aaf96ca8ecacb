"""A simulated Tesla cloud: account pages, tokens, Fleet API, cars and homes in one process."""
