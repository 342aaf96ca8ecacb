import pytest

from tests.tesla_sandbox.conftest import FREE_SITE, PAIRED_VIN
from tests.tesla_sandbox.person import CLIENT_ID, EMAIL, Person, claims_of


async def press(person: Person, path: str, **fields: object) -> int:
    data = {name: value if isinstance(value, list) else str(value) for name, value in fields.items()}
    return (await person.http.post(person.url(f"/sandbox{path}"), data=data)).status_code


async def test_the_page_shows_cars_homes_consents_and_requests(person: Person) -> None:
    await person.get("/api/1/products")
    page = await person.http.get(person.url("/sandbox/"))
    assert page.status_code == 200
    for text in (PAIRED_VIN, str(FREE_SITE), "Robin Example", "/eu/api/1/products", "2026-06-21 10:00:00"):
        assert text in page.text


async def test_buttons_change_the_world(person: Person) -> None:
    assert await press(person, "/car", vin=PAIRED_VIN, change='{"plugged_in": false}') == 303
    assert await press(person, "/home", site_id=FREE_SITE, change='{"outage": "grid_failure"}') == 303
    assert await press(person, "/clock", change='{"step_seconds": 600.0}') == 303
    control = person.sandbox.control
    assert (await control.get(f"/cars/{PAIRED_VIN}"))["plugged_in"] is False
    home = await control.get(f"/homes/{FREE_SITE}")
    assert home["live_status"]["island_status"] == "off_grid_unintentional"
    assert (await control.get("/clock"))["now"].startswith("2026-06-21T10:10:00")


async def test_unticked_scopes_show_in_the_next_token(person: Person) -> None:
    pressed = await press(
        person, "/grant", email=EMAIL, client_id=CLIENT_ID, decision="save", granted=["vehicle_device_data"]
    )
    assert pressed == 303
    refreshed = (await person.refresh()).json()
    assert claims_of(refreshed["access_token"])["scp"] == ["openid", "offline_access", "vehicle_device_data"]


async def test_break_and_repair(person: Person) -> None:
    assert await press(person, "/fault", name="site_unreachable", target=FREE_SITE, count=0) == 303
    path = f"/api/1/energy_sites/{FREE_SITE}/live_status"
    assert (await person.get(path)).status_code == 500
    assert await press(person, "/faults/clear", name="site_unreachable") == 303
    assert (await person.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/car", {"vin": "nobody", "change": "{}"}, 404),
        ("/car", {"vin": PAIRED_VIN, "change": '{"wings": 2}'}, 400),
        ("/car", {"vin": PAIRED_VIN, "change": "not json"}, 400),
        ("/home", {"site_id": "x", "change": "{}"}, 404),
        ("/home", {"site_id": FREE_SITE, "change": "[]"}, 400),
        ("/clock", {"change": '{"speed": -1.0}'}, 400),
        ("/fault", {"name": "gremlin"}, 400),
        ("/fault", {"name": "site_unreachable", "count": "many"}, 400),
        ("/grant", {"email": "nobody", "client_id": CLIENT_ID}, 404),
    ],
)
async def test_unfit_forms_get_an_error_page(person: Person, path: str, fields: dict[str, object], status: int) -> None:
    assert await press(person, path, **fields) == status


async def test_another_site_s_page_cannot_press_a_button(person: Person) -> None:
    answered = await person.http.post(
        person.url("/sandbox/clock"), data={"change": '{"paused": false}'}, headers={"origin": "https://evil.example"}
    )
    assert answered.status_code == 403
