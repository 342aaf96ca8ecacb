"""The energy endpoints that look back: calendar_history and telemetry_history."""

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from starlette.responses import Response

from tesla_sandbox.fleet_api.answers import answer, invalid_field
from tesla_sandbox.fleet_api.call import FleetCall
from tesla_sandbox.fleet_api.endpoints import EndpointTable
from tesla_sandbox.fleet_api.query_moments import query_moment
from tesla_sandbox.fleet_api.rate_limits import RateClass
from tesla_sandbox.fleet_api.site_access import readable_home
from tesla_sandbox.homes.backfill import with_past
from tesla_sandbox.homes.history import CHANNELS, PERIODS, Bucket
from tesla_sandbox.homes.home import Home
from tesla_sandbox.homes.rendering import Json, timestamp
from tesla_sandbox.scopes import Scope

HISTORY_ENDPOINTS = EndpointTable()

SITE = "/api/1/energy_sites/{site_id}"
READ = (Scope.ENERGY_DEVICE_DATA,)


@HISTORY_ENDPOINTS.endpoint("GET", f"{SITE}/calendar_history", all_of=READ, rate=RateClass.DATA)
async def calendar_history(call: FleetCall) -> Response:
    """Energy totals (`kind=energy`) or outages (`kind=backup`) between two dates."""
    render = _CALENDAR_KINDS.get(call.query.get("kind", ""))
    if render is None:
        raise invalid_field("kind", f"must be one of {', '.join(_CALENDAR_KINDS)}")
    home = with_past(readable_home(call))
    start, end = _window(call, home)
    return answer(render(call, home, start, end))


@HISTORY_ENDPOINTS.endpoint("GET", f"{SITE}/telemetry_history", all_of=READ, rate=RateClass.DATA)
async def telemetry_history(call: FleetCall) -> Response:
    """Charging sessions at the home's Wall Connectors between two dates."""
    if call.query.get("kind") != "charge":
        raise invalid_field("kind", "must be charge")
    home = readable_home(call)
    home.advance()
    start, end = _window(call, home)
    sessions = [session for connector in home.connectors for session in connector.sessions]
    return answer(
        {
            "charge_history": [
                {
                    "charge_start_time": {"seconds": int(session.started_at)},
                    "charge_duration": {"seconds": int(session.seconds)},
                    "energy_added_wh": round(session.energy_wh),
                }
                for session in sorted(sessions, key=lambda session: session.started_at)
                if start <= session.started_at < end
            ]
        }
    )


def _energy(call: FleetCall, home: Home, start: float, end: float) -> Json:
    period = call.query.get("period", "day")
    if period not in PERIODS:
        raise invalid_field("period", f"must be one of {', '.join(PERIODS)}")
    buckets = home.history.buckets(period, start, end, _zone(call, home))
    return {
        "serial_number": f"CN{home.site_id}",
        "period": period,
        "installation_time_zone": home.spec.time_zone,
        "time_series": [_bucket(bucket) for bucket in buckets],
    }


def _bucket(bucket: Bucket) -> Json:
    energies = {name: round(energy) for name, energy in zip(CHANNELS, bucket.totals, strict=True)}
    start = bucket.start.isoformat()
    return {"timestamp": start, **energies, "raw_timestamp": start}


def _backup(call: FleetCall, home: Home, start: float, end: float) -> Json:
    _zone(call, home)
    now = call.world.clock.time()
    events = [
        {
            "timestamp": timestamp(home, outage.started_at),
            "duration": round((outage.ended_at or now) - outage.started_at),
        }
        for outage in home.outages
        if start <= outage.started_at < end
    ]
    return {"events": events, "total_events": len(events)}


_CALENDAR_KINDS: dict[str, Callable[[FleetCall, Home, float, float], Json]] = {
    "energy": _energy,
    "backup": _backup,
}


def _window(call: FleetCall, home: Home) -> tuple[float, float]:
    """The asked-for stretch of time; what is left out is the present period up to now."""
    end = query_moment(call, "end_date")
    if end is None:
        end = call.world.clock.time()
    start = query_moment(call, "start_date")
    if start is None:
        start = _period_start(call.query.get("period", "day"), datetime.fromtimestamp(end, _zone(call, home)))
    if end < start:
        raise invalid_field("end_date", "must not be before start_date")
    return start, end


def _period_start(period: str, local: datetime) -> float:
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    starts = {
        "day": midnight,
        "week": midnight - timedelta(days=midnight.weekday()),
        "month": midnight.replace(day=1),
        "year": midnight.replace(month=1, day=1),
    }
    return starts[period].timestamp() if period in starts else 0.0


def _zone(call: FleetCall, home: Home) -> ZoneInfo:
    name = call.query.get("time_zone")
    if name is None:
        return home.zone
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as unknown:
        raise invalid_field("time_zone", "must be an IANA time zone") from unknown
