"""What stands between a request and an energy site: its gateway, which may be out of reach."""

from tesla_sandbox.fleet_api.answers import refusal
from tesla_sandbox.fleet_api.call import FleetCall
from tesla_sandbox.homes.home import Home


def readable_home(call: FleetCall) -> Home:
    """The home of the path.

    Raises:
        ApiRefusal: 500 while a fault keeps its gateway out of reach.
    """
    home = call.home()
    if call.world.faults.take("site_unreachable", home.site_id):
        raise refusal(500, "upstream internal error", txid=call.txid)
    return home
