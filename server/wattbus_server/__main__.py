"""`python -m wattbus_server` is the same as `wattbus`."""

from wattbus_server.cli import main

main()
