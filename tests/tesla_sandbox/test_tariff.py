"""The rules for tariffs, and how a tariff is kept and shown."""

import json
from copy import deepcopy
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesla_sandbox.homes.prices import prices_at
from tesla_sandbox.homes.tariff import TariffError, check_tariff
from tesla_sandbox.homes.tariff_forms import older_form, schedule
from tests.tesla_sandbox.conftest import FREE_SITE
from tests.tesla_sandbox.person import Person

DATA = Path(__file__).parents[1] / "data" / "tesla"
SITE = f"/api/1/energy_sites/{FREE_SITE}"
Json = dict[str, Any]


def times(**window: int) -> Json:
    return {"periods": [{"fromDayOfWeek": 0, "toDayOfWeek": 6, **window}]}


def tariff(peak: float = 0.4, other: float = 0.2) -> Json:
    periods = {"ON_PEAK": times(fromHour=16, toHour=21), "OFF_PEAK": times(fromHour=21, toHour=16)}
    bounds = {"fromMonth": 4, "fromDay": 1, "toMonth": 9, "toDay": 30}
    winter = {"fromMonth": 10, "fromDay": 1, "toMonth": 3, "toDay": 31, "tou_periods": {"OFF_PEAK": times()}}
    return {
        "version": 1,
        "code": "EXAMPLE-TOU",
        "name": "Example",
        "utility": "Example Power",
        "daily_charges": [{"name": "Charge", "amount": 0}],
        "energy_charges": {
            "ALL": {"rates": {"ALL": 0}},
            "Summer": {"rates": {"ON_PEAK": peak, "OFF_PEAK": other}},
            "Winter": {"rates": {"OFF_PEAK": other}},
        },
        "seasons": {"Summer": {**bounds, "tou_periods": periods}, "Winter": winter, "Never": {}},
    }


def with_sale(buying: Json, peak: float, other: float) -> Json:
    return {
        **buying,
        "sell_tariff": {"name": "Sale", **{key: tariff(peak, other)[key] for key in ("energy_charges", "seasons")}},
    }


def changed(*path: str, to: object) -> Json:
    """The example with another value at a place."""
    example = tariff()
    part = example
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = to
    return example


SUMMER = ("seasons", "Summer")
PERIODS = (*SUMMER, "tou_periods")

BROKEN = {
    "overlapping periods": (changed(*PERIODS, "ON_PEAK", to=times(fromHour=15, toHour=21)), "overlaps"),
    "missing hours": (changed(*PERIODS, "ON_PEAK", to=times(fromHour=17, toHour=21)), "leave times out"),
    "missing days": (
        changed(*PERIODS, "ON_PEAK", "periods", to=[{"toDayOfWeek": 4, "fromHour": 16, "toHour": 21}]),
        "leave times out",
    ),
    "a gap between seasons": (changed(*SUMMER, "fromDay", to=2), "days of the year"),
    "overlapping seasons": (changed(*SUMMER, "toMonth", to=10), "overlaps"),
    "a period without price": (changed("energy_charges", "Summer", "rates", to={"ON_PEAK": 1}), "OFF_PEAK .* no price"),
    "a season without price": (changed("energy_charges", "Summer", to={}), "Summer has no price"),
    "a price without times": (changed("energy_charges", "Summer", "rates", "MID", to=1), "MID .* no times"),
    "a price of a season that is not": (
        changed("energy_charges", "Autumn", to={"rates": {"ALL": 1}}),
        "Autumn has no times",
    ),
    "hour 99": (changed(*PERIODS, "ON_PEAK", to=times(fromHour=16, toHour=99)), "toHour .* 0 to 24"),
    "past midnight": (changed(*PERIODS, "ON_PEAK", to=times(fromHour=16, toHour=24, toMinute=1)), "after midnight"),
    "half an hour": (changed(*PERIODS, "ON_PEAK", "periods", to=[{"fromHour": 16.5, "toHour": 21}]), "whole number"),
    "an eighth day": (changed(*PERIODS, "ON_PEAK", "periods", to=[{"toDayOfWeek": 7, "toHour": 24}]), "toDayOfWeek"),
    "month 13": (changed(*SUMMER, "toMonth", to=13), "toMonth .* 1 to 12"),
    "31 September": (changed(*SUMMER, "toDay", to=31), "no day of month 9"),
    "a text for a month": (changed(*SUMMER, "toMonth", to="9"), "toMonth"),
    "times that are no list": (changed(*PERIODS, "ON_PEAK", to={"periods": 5}), "must be a list"),
    "a season that is no object": (changed(*SUMMER, to=5), "seasons.Summer"),
    "a broken sale": (
        {**tariff(), "sell_tariff": changed(*PERIODS, "ON_PEAK", to=times(fromHour=17, toHour=21))},
        "leave times out",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_tariff_that_breaks_a_rule_is_refused_with_the_place(name: str) -> None:
    broken, problem = BROKEN[name]
    with pytest.raises(TariffError, match=problem):
        check_tariff(broken)


@pytest.mark.parametrize(
    "fine",
    [
        tariff(),
        with_sale(tariff(), 0.1, 0.05),
        {"energy_charges": {"ALL": {"rates": {"ALL": 0.3}}}, "seasons": {}},
        {"energy_charges": {"ALL": {"rates": {"ALL": 0.3}}}, "seasons": tariff()["seasons"]},
        changed("energy_charges", "Summer", to={"rates": {"ALL": 0.3}}),
        changed(*SUMMER, to={"fromMonth": 4, "fromDay": 1, "toMonth": 9, "toDay": 30, "tou_periods": {}})
        | {"energy_charges": {"Summer": {"rates": {"ALL": 1}}, "Winter": {"rates": {"OFF_PEAK": 1}}}},
        json.loads((DATA / "site_info_tariff_multi_season.json").read_text())["response"]["tariff_content_v2"],
    ],
)
def test_a_tariff_that_keeps_the_rules_is_taken_again_as_it_is_shown(fine: Json) -> None:
    kept = check_tariff(fine)
    assert check_tariff(deepcopy(kept)) == kept


def test_a_february_may_end_on_any_of_its_days() -> None:
    for last in (28, 29):
        parts = tariff()
        parts["seasons"]["Summer"] |= {"fromMonth": 3, "toMonth": 10, "toDay": 31}
        parts["seasons"]["Winter"] |= {"fromMonth": 11, "toMonth": 2, "toDay": last}
        assert check_tariff(parts)


def test_zero_fields_are_left_out_and_zero_prices_stay() -> None:
    kept: Json = check_tariff(tariff(other=0))
    assert kept["daily_charges"] == [{"name": "Charge"}]
    assert kept["seasons"]["Summer"]["tou_periods"]["ON_PEAK"] == {
        "periods": [{"toDayOfWeek": 6, "fromHour": 16, "toHour": 21}]
    }
    assert kept["seasons"]["Never"] == {}
    assert kept["energy_charges"]["Summer"] == {"rates": {"ON_PEAK": 0.4, "OFF_PEAK": 0}}


def test_negative_prices_become_zero_and_buying_is_never_cheaper_than_selling() -> None:
    kept: Json = check_tariff(with_sale(tariff(0.1, -5), 0.3, -1))
    assert kept["energy_charges"]["Summer"]["rates"] == {"ON_PEAK": 0.3, "OFF_PEAK": 0}
    assert kept["sell_tariff"]["energy_charges"]["Summer"]["rates"] == {"ON_PEAK": 0.3, "OFF_PEAK": 0}
    flat = {"energy_charges": {"ALL": {"rates": {"ALL": 0.25}}}}
    raised: Json = check_tariff({**tariff(), "sell_tariff": flat})
    assert raised["energy_charges"]["Summer"]["rates"] == {"ON_PEAK": 0.4, "OFF_PEAK": 0.25}


def test_the_older_form_has_prices_and_times_one_level_higher() -> None:
    older: Json = older_form(check_tariff(with_sale(tariff(), 0.1, 0.1)))
    assert "version" not in older
    assert older["energy_charges"]["Summer"] == {"ON_PEAK": 0.4, "OFF_PEAK": 0.2}
    assert older["seasons"]["Summer"]["tou_periods"]["OFF_PEAK"] == [{"toDayOfWeek": 6, "fromHour": 21, "toHour": 16}]
    assert older["sell_tariff"]["energy_charges"]["Winter"] == {"OFF_PEAK": 0.1}


def test_the_schedule_is_that_of_the_season() -> None:
    week = list(range(7))
    assert schedule(check_tariff(tariff()), datetime(2026, 6, 1)) == [
        {"target": "peak", "week_days": week, "start_seconds": 57_600, "end_seconds": 75_600},
        {"target": "off_peak", "week_days": week, "start_seconds": 75_600, "end_seconds": 57_600},
    ]
    assert schedule(check_tariff(tariff()), datetime(2026, 12, 1)) == [
        {"target": "off_peak", "week_days": week, "start_seconds": 0, "end_seconds": 0}
    ]


PRICE = st.floats(-1, 1).map(lambda price: round(price, 3))
CUTS = st.lists(st.integers(1, 47), min_size=1, max_size=6, unique=True).map(sorted)


@st.composite
def tariffs(draw: st.DrawFn) -> Json:
    """A tariff of one season whose weekdays and weekends are cut into half hours."""
    parts: dict[str, list[Json]] = {}
    for first, last in ((0, 4), (5, 6)):
        cuts = [0, *draw(CUTS), 48]
        for begin, end in pairwise(cuts):
            window = {
                "fromHour": begin // 2,
                "fromMinute": begin % 2 * 30,
                "toHour": end // 2,
                "toMinute": end % 2 * 30,
            }
            name = draw(st.sampled_from(["A", "B", "C"]))
            parts.setdefault(name, []).append({"fromDayOfWeek": first, "toDayOfWeek": last, **window})
    seasons = {"Year": {"tou_periods": {name: {"periods": windows} for name, windows in parts.items()}}}
    charges = {"Year": {"rates": {name: draw(PRICE) for name in parts}}}
    sale = {"energy_charges": {"Year": {"rates": {name: draw(PRICE) for name in parts}}}, "seasons": seasons}
    return {"energy_charges": charges, "seasons": seasons, "sell_tariff": sale}


@given(value=tariffs(), half_hour=st.integers(0, 335))
def test_what_is_kept_means_the_same_and_holds_at_every_time(value: Json, half_hour: int) -> None:
    moment = datetime(2026, 6, 1) + timedelta(minutes=30 * half_hour)
    kept = check_tariff(value)
    assert check_tariff(kept) == kept
    assert prices_at(kept, moment) == prices_at(value, moment)
    buying = {"energy_charges": kept["energy_charges"], "seasons": kept["seasons"]}
    alone, both = prices_at(buying, moment), prices_at(kept, moment)
    assert alone is not None
    assert both is not None
    assert alone.buy == both.buy >= both.sell >= 0


@given(value=tariffs(), which=st.integers(0, 20), twice=st.booleans())
def test_a_window_less_or_twice_breaks_the_rules(value: Json, which: int, twice: bool) -> None:
    broken = deepcopy(value)
    windows = [period["periods"] for period in broken["seasons"]["Year"]["tou_periods"].values()]
    chosen = windows[which % len(windows)]
    window = chosen.pop()
    if twice:
        chosen += [window, window]
    with pytest.raises(TariffError):
        check_tariff(broken)


async def test_the_service_refuses_a_broken_tariff_and_shows_a_good_one_as_it_keeps_it(person: Person) -> None:
    async def upload(content: Json) -> Any:
        return await person.post(f"{SITE}/time_of_use_settings", {"tou_settings": {"tariff_content_v2": content}})

    for broken, _ in BROKEN.values():
        refused = await upload(broken)
        assert (refused.status_code, refused.json()["error"]) == (422, "invalid_resource")
    assert (await upload(with_sale(tariff(0.1, -5), 0.3, -1))).json()["response"]["code"] == 201
    await person.sandbox.control.step(2)
    info = (await person.get(f"{SITE}/site_info")).json()["response"]
    assert info["tariff_content_v2"]["energy_charges"]["Summer"]["rates"] == {"ON_PEAK": 0.3, "OFF_PEAK": 0}
