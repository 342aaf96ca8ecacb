"""The user endpoints.

Source: Tesla Fleet API documentation, user-endpoints. `users/region` asks for no scope and answers in every region,
as integrations without `user_data` rely on.
"""

from starlette.responses import Response

from tesla_sandbox.auth import profile_image
from tesla_sandbox.fleet_api.answers import answer
from tesla_sandbox.fleet_api.call import FleetCall
from tesla_sandbox.fleet_api.endpoints import EndpointTable
from tesla_sandbox.scopes import Scope

USER_ENDPOINTS = EndpointTable()


@USER_ENDPOINTS.endpoint("GET", "/api/1/users/region", any_region=True)
async def region(call: FleetCall) -> Response:
    """Where the account lives."""
    home_region = call.require_user().region
    return answer({"region": home_region, "fleet_api_base_url": call.world.region_url(home_region)})


@USER_ENDPOINTS.endpoint("GET", "/api/1/users/me", all_of=(Scope.USER_DATA,))
async def me(call: FleetCall) -> Response:
    """Who the person is."""
    user = call.require_user()
    return answer(
        {
            "email": user.email,
            "full_name": user.full_name,
            "profile_image_url": call.world.base_url + profile_image.PATH,
            "vault_uuid": user.user_id,
        }
    )


@USER_ENDPOINTS.endpoint("GET", "/api/1/users/orders", all_of=(Scope.USER_DATA,))
async def orders(call: FleetCall) -> Response:
    """Orders that are under way; nobody in a sandbox waits for a car."""
    call.require_user()
    return answer([])


@USER_ENDPOINTS.endpoint("GET", "/api/1/users/feature_config", all_of=(Scope.USER_DATA,))
async def feature_config(call: FleetCall) -> Response:
    """Feature switches of the account."""
    call.require_user()
    return answer({"signaling": {"enabled": True, "subscribe_connectivity": False, "use_auth_token": False}})


@USER_ENDPOINTS.endpoint("GET", "/api/1/users/backup_key", all_of=(Scope.USER_DATA,))
async def backup_key(call: FleetCall) -> Response:
    """The public half of a key for restoring the account; nobody in a sandbox has made one."""
    call.require_user()
    return answer({"backup_key": None})
