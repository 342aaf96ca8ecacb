"""Where an account lives: Tesla keeps accounts in regions, each with a host of its own.

A token is sent only to the configured base URLs. Whatever an answer says, it can choose among them and nothing else.

Sources: Tesla Fleet API documentation, getting-started/regions-countries; teslamotors/vehicle-command issue #208.
"""

import re

from wattbus_server.settings import TeslaSettings
from wattbus_server.vendors.tesla.exchange import Answer

USERS_REGION_PATH = "/api/1/users/region"

_NAMED_IN_BODY = re.compile(r"use base URL: (https?://[^\s,\"']+)")
_NAMED_IN_HEADER = re.compile(r"h2=\"?(https?://[^\s,;\"']+)")


class Regions:
    """The configured regions."""

    def __init__(self, settings: TeslaSettings) -> None:
        self._urls = {name: url.rstrip("/") for name, url in settings.api_urls.items()}
        self._home = settings.home_region

    def in_order(self) -> list[str]:
        """Return all configured regions, the one that is asked first at the front."""
        return sorted(self._urls, key=lambda region: region != self._home)

    def base_url(self, region: str) -> str:
        """Return the base URL of a configured region; the settings make sure that the home region is one."""
        return self._urls[region]

    def known(self, region: str) -> str:
        """Return the region if it is configured, else the home region."""
        return region if region in self._urls else self._home

    def at(self, url: str) -> str | None:
        """Return the region with this base URL, None if it is not one of ours."""
        wanted = url.rstrip("/.")
        return next((name for name, ours in self._urls.items() if ours == wanted), None)

    def named_in(self, misdirected: Answer) -> str | None:
        """Return the configured region that a 421 answer names, None if it names none of ours."""
        named = (
            _NAMED_IN_BODY.search(misdirected.words),
            _NAMED_IN_HEADER.search(misdirected.headers.get("alt-svc", "")),
        )
        return next((region for found in named if found and (region := self.at(found[1]))), None)

    def told(self, response: object) -> str | None:
        """Return the configured region that `users/region` tells, None if it tells none of ours."""
        if not isinstance(response, dict):
            return None
        url, name = response.get("fleet_api_base_url"), response.get("region")
        if isinstance(url, str):
            return self.at(url)
        return name if isinstance(name, str) and name in self._urls else None
