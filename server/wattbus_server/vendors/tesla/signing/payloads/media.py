"""Media. Names and parameters follow the Fleet API documentation, vehicle-commands."""

from tesla_protocol.command import car_server_pb2 as car_server

from wattbus_server.vendors.tesla.signing.payloads.payload import SignedPayload, infotainment, require_between

MAX_VOLUME = 10.0
"""Tesla's own client refuses more, although the car goes to 11."""


def adjust_volume(volume: float) -> SignedPayload:
    """Set the volume, 0 to 10; somebody must be in the car.

    Raises:
        ValueError: out of range.
    """
    require_between("volume", volume, 0.0, MAX_VOLUME)
    action = car_server.MediaUpdateVolume(volume_absolute_float=volume)
    return infotainment(car_server.VehicleAction(mediaUpdateVolume=action))


def media_volume_up() -> SignedPayload:
    """Raise the volume by one step."""
    return _volume_step(1)


def media_volume_down() -> SignedPayload:
    """Lower the volume by one step."""
    return _volume_step(-1)


def media_toggle_playback() -> SignedPayload:
    """Pause what plays, or play what is paused."""
    return _once(car_server.VehicleAction(mediaPlayAction=car_server.MediaPlayAction()))


def media_next_track() -> SignedPayload:
    """Skip to the next track."""
    return _once(car_server.VehicleAction(mediaNextTrack=car_server.MediaNextTrack()))


def media_prev_track() -> SignedPayload:
    """Go back to the previous track."""
    return _once(car_server.VehicleAction(mediaPreviousTrack=car_server.MediaPreviousTrack()))


def media_next_fav() -> SignedPayload:
    """Go to the next favorite."""
    return _once(car_server.VehicleAction(mediaNextFavorite=car_server.MediaNextFavorite()))


def media_prev_fav() -> SignedPayload:
    """Go to the previous favorite."""
    return _once(car_server.VehicleAction(mediaPreviousFavorite=car_server.MediaPreviousFavorite()))


def _volume_step(delta: int) -> SignedPayload:
    action = car_server.MediaUpdateVolume(volume_delta=delta)
    return _once(car_server.VehicleAction(mediaUpdateVolume=action))


def _once(action: car_server.VehicleAction) -> SignedPayload:
    return infotainment(action, repeatable=False)
