"""Tesla, through the official Fleet API."""
