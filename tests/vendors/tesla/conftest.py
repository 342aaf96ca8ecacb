"""The reading half of the adapter, wired to whatever server a test names."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta

import pytest
import pytest_asyncio
from pydantic import SecretStr

from wattbus_server.settings import TeslaSettings
from wattbus_server.vendors.tesla.api import FleetApi
from wattbus_server.vendors.tesla.http import BoundedTransport, new_transport
from wattbus_server.vendors.tesla.oauth import TeslaOAuth
from wattbus_server.vendors.tesla.refusals import Refusals
from wattbus_server.vendors.tesla.remedies import TeslaRemedies

MakeApi = Callable[..., FleetApi]


def tesla_settings(api_urls: Mapping[str, str], **more: object) -> TeslaSettings:
    values: dict[str, object] = {
        "client_id": "test-app",
        "client_secret": SecretStr("test-app-secret"),
        "domain": "app.example.com",
        "api_urls": dict(api_urls),
        "home_region": next(iter(api_urls)),
        "request_timeout": timedelta(seconds=60),
        **more,
    }
    return TeslaSettings.model_validate(values)


def settings_for(base: str, api_urls: dict[str, str], **more: object) -> TeslaSettings:
    return tesla_settings(
        api_urls,
        authorize_url=f"{base}/oauth2/v3/authorize",
        token_url=f"{base}/oauth2/v3/token",
        metadata_url=f"{base}/oauth2/v3/thirdparty/.well-known/openid-configuration",
        **more,
    )


def oauth_of(settings: TeslaSettings, transport: BoundedTransport) -> TeslaOAuth:
    return TeslaOAuth(settings, transport, TeslaRemedies(settings))


@pytest.fixture
def refusals() -> Refusals:
    return Refusals(TeslaRemedies(tesla_settings({"na": "https://fleet-api.example.com"})))


@pytest_asyncio.fixture
async def make_api(refusals: Refusals) -> AsyncIterator[MakeApi]:
    made: list[FleetApi] = []

    def make(api_urls: Mapping[str, str], **more: object) -> FleetApi:
        made.append(FleetApi(tesla_settings(api_urls, **more), new_transport(), refusals))
        return made[-1]

    yield make
    for api in made:
        await api.close()
