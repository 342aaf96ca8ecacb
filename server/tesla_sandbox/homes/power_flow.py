"""How power divides itself in a home: load = solar + battery + grid + generator, always."""

from dataclasses import dataclass

UNLIMITED = 1e9


@dataclass(frozen=True, slots=True)
class PowerFlow:
    """Powers in W. Battery is positive discharging, grid positive importing (Tesla's signs).

    Attributes:
        load: What the house gets, Wall Connectors included; less than it asks for when off grid
            with an empty battery.
        solar: What the panels deliver, after curtailment.
        generator: What a generator delivers; 0 without one.
    """

    load: float
    solar: float
    battery: float
    grid: float
    generator: float = 0.0


def balanced(
    load: float,
    solar: float,
    battery: float,
    *,
    on_grid: bool = True,
    export_limit: float = UNLIMITED,
) -> PowerFlow:
    """The flow that results when the parts want these powers.

    Solar is curtailed before the battery when more would go out than the export limit (0 when off
    grid) allows; off grid, load that nothing can feed is shed.

    Args:
        load: What the house asks for.
        solar: What the panels could deliver.
        battery: What the battery wants to deliver (negative: take).
        on_grid: Whether there is a grid.
        export_limit: The most that may go out to the grid.
    """
    if not on_grid:
        battery = max(battery, -solar)
        load = min(load, solar + battery)
    limit = export_limit if on_grid else 0.0
    surplus = solar + battery - load - limit
    if surplus > 0:
        curtailed = min(solar, surplus)
        solar -= curtailed
        battery -= min(max(battery, 0.0), surplus - curtailed)
    grid = load - solar - battery if on_grid else 0.0
    return PowerFlow(load=load, solar=solar, battery=battery, grid=grid)
