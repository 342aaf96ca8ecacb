"""One simulated home, which is one energy site of the Fleet API."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tesla_sandbox.scenario import HomeSpec
    from tesla_sandbox.world import World


class Home:
    """A home with its settings."""

    def __init__(self, spec: HomeSpec, world: World) -> None:
        self.spec = spec
        self.world = world
        self.site_id = spec.site_id

    @classmethod
    def from_spec(cls, spec: HomeSpec, world: World) -> Home:
        """The home that a scenario describes."""
        return cls(spec, world)
