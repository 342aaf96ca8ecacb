"""Remedies: turns a reason into a blocker that says who must do what, where, with a working link.

The texts stand in `advice/`; this module fills in the facts and builds the links from the settings.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from urllib.parse import quote, urlencode

from wattbus.v1.action_pb2 import ActionKind
from wattbus.v1.blocker_pb2 import Blocker, BlockerState, Remedy
from wattbus.v1.reason_pb2 import Reason

from wattbus_server.problem import Execution, Problem
from wattbus_server.settings import TeslaSettings
from wattbus_server.vendors.contract import DeviceRecord, VendorAccount
from wattbus_server.vendors.tesla.advice import ADVICE
from wattbus_server.vendors.tesla.advice.rows import Breadth, RemedyRow

PUBLIC_KEY_PATH = "/.well-known/appspecific/com.tesla.3p.public-key.pem"
"""Where Tesla looks for the application's public key."""

MAX_EVIDENCE = 500
"""Characters of the vendor's own words that are kept."""

SCOPE_TITLES: Mapping[str, str] = {
    "user_data": "Profile Information",
    "vehicle_device_data": "Vehicle Information",
    "vehicle_location": "Vehicle Location",
    "vehicle_cmds": "Vehicle Commands",
    "vehicle_charging_cmds": "Vehicle Charging Management",
    "energy_device_data": "Energy Product Information",
    "energy_cmds": "Energy Product Settings",
}
"""How Tesla's consent page names a scope (Tesla Fleet API documentation, authentication/overview)."""


class TeslaRemedies:
    """Builds blockers, and problems that carry them, for one application at Tesla."""

    def __init__(
        self, settings: TeslaSettings, public_url: str = "", check_interval: timedelta = timedelta(minutes=1)
    ) -> None:
        """Prepare the links.

        Args:
            settings: the operator's application and Tesla's addresses.
            public_url: where Tesla's consent page sends the end user back to.
            check_interval: how often open blockers are verified; told in the remedies.
        """
        self._settings = settings
        consent = urlencode({"revoke_client_id": settings.client_id, "back_url": public_url})
        # What is the same in all texts: pages of a thousand devices are full of them.
        self._usual = {
            "domain": settings.domain,
            "interval": _words(check_interval),
            "consent_page": f"{settings.consent_url}?{consent}",
            "hosted_key": f"https://{settings.domain}{PUBLIC_KEY_PATH}" if settings.domain else "",
        }

    def consent_page(self) -> str:
        """Return the address at which the end user changes what was granted to this application."""
        return self._usual["consent_page"]

    def pairing_page(self, vin: str) -> str:
        """Return the address that pairs the application's key with a vehicle; empty without a domain."""
        if not self._settings.domain:
            return ""
        query = f"?{urlencode({'vin': vin})}" if vin else ""
        return f"{self._settings.pairing_url}/{quote(self._settings.domain)}{query}"

    def blocker(
        self,
        reason: Reason.ValueType,
        *,
        account: VendorAccount | None = None,
        device: DeviceRecord | None = None,
        evidence: str = "",
        message: str = "",
        blocked_actions: Collection[ActionKind.ValueType] = (),
        required_scopes: Collection[str] = (),
        missing_scopes: Collection[str] | None = None,
        **facts: object,
    ) -> Blocker:
        """Describe what blocks and how it is removed. Name, times and end-user text are left to the ledger.

        Args:
            reason: one that `advice.ADVICE` has a row for.
            account: whose connection is blocked.
            device: the blocked device. Left out of the blocker if the reason blocks more than one device.
            evidence: the vendor's own words, or the field that proves it.
            message: one sentence for developers instead of the table's.
            blocked_actions: empty if reading is blocked too.
            required_scopes: for SCOPE_MISSING.
            missing_scopes: for SCOPE_MISSING; None: the required ones that were not granted. Give it where one of
                several scopes is enough.
            **facts: what the texts of the reason mention, for example `setting` or `region`.
        """
        row = ADVICE[reason]
        granted = account.scopes if account is not None else frozenset()
        missing = sorted(set(required_scopes) - granted if missing_scopes is None else missing_scopes)
        texts = self._texts(device, facts, missing)
        blocker = Blocker(
            reason=reason,
            blocked_actions=sorted(blocked_actions),
            message=message or row.message.format_map(texts),
            remedies=[_remedy(remedy, texts) for remedy in row.remedies],
            state=BlockerState.BLOCKER_STATE_OPEN,
            evidence=evidence[:MAX_EVIDENCE],
            metadata=self._metadata(row.metadata, device, facts),
        )
        if device is not None and row.breadth is Breadth.DEVICE:
            blocker.device = device.name
        if row.breadth is not Breadth.APPLICATION:
            blocker.connection = _connection(account, device)
        if reason == Reason.REASON_SCOPE_MISSING:
            blocker.required_scopes.extend(sorted(required_scopes))
            blocker.granted_scopes.extend(sorted(granted))
            blocker.missing_scopes.extend(missing)
        return blocker

    def problem(
        self,
        reason: Reason.ValueType,
        *,
        account: VendorAccount | None = None,
        device: DeviceRecord | None = None,
        vendor_reason: str = "",
        message: str = "",
        execution: Execution = Execution.NOT_SENT,
        retry_delay: timedelta | None = None,
        blocked_actions: Collection[ActionKind.ValueType] = (),
        required_scopes: Collection[str] = (),
        missing_scopes: Collection[str] | None = None,
        **facts: object,
    ) -> Problem:
        """Return the domain error for one reason, with its blocker and its metadata.

        The arguments are those of `blocker`; `vendor_reason` is also the blocker's evidence.
        """
        blocker = self.blocker(
            reason,
            account=account,
            device=device,
            evidence=vendor_reason,
            message=message,
            blocked_actions=blocked_actions,
            required_scopes=required_scopes,
            missing_scopes=missing_scopes,
            vendor_reason=vendor_reason,
            **facts,
        )
        return problem_of(
            blocker, device=device, vendor_reason=vendor_reason, execution=execution, retry_delay=retry_delay
        )

    def _metadata(
        self, names: Collection[str], device: DeviceRecord | None, facts: Mapping[str, object]
    ) -> dict[str, str]:
        known = {**self._own_facts(device), **facts}
        return {_camel(name): str(known[name])[:MAX_EVIDENCE] for name in names if known.get(name) not in (None, "")}

    def _own_facts(self, device: DeviceRecord | None) -> dict[str, object]:
        return {"vin": device.vendor_id if device is not None else "", "domain": self._settings.domain}

    def _texts(self, device: DeviceRecord | None, facts: Mapping[str, object], missing: Collection[str]) -> "_Texts":
        vin = device.vendor_id if device is not None else ""
        return _Texts(
            {
                **self._usual,
                "vin": vin,
                "pairing_page": self.pairing_page(vin),
                "missing_scopes": ", ".join(missing) or "what is needed",
                "missing_scope_titles": ", ".join(SCOPE_TITLES.get(scope, scope) for scope in missing) or "everything",
                **facts,
            }
        )


def problem_of(
    blocker: Blocker,
    *,
    device: DeviceRecord | None = None,
    vendor_reason: str = "",
    execution: Execution = Execution.NOT_SENT,
    retry_delay: timedelta | None = None,
) -> Problem:
    """Return the domain error that carries one blocker, with the metadata that its reason promises."""
    metadata = dict(blocker.metadata)
    if device is not None:
        metadata["device"] = device.name
    if blocker.connection:
        metadata["connection"] = blocker.connection
    if blocker.reason == Reason.REASON_SCOPE_MISSING:
        metadata["requiredScopes"] = " ".join(blocker.required_scopes)
        metadata["grantedScopes"] = " ".join(blocker.granted_scopes)
        metadata["missingScopes"] = " ".join(blocker.missing_scopes)
    return Problem(
        blocker.reason,
        blocker.message,
        blockers=(blocker,),
        metadata=metadata,
        retry_delay=retry_delay,
        execution=execution,
        vendor_reason=vendor_reason[:MAX_EVIDENCE],
    )


class _Texts(dict[str, object]):
    """Facts for the templates; one that nobody gave is told as unknown rather than failing the error path."""

    def __missing__(self, fact: str) -> str:
        return f"an unknown {fact.replace('_', ' ')}"


def _remedy(row: RemedyRow, texts: _Texts) -> Remedy:
    return Remedy(
        actor=row.actor,
        place=row.place.format_map(texts),
        steps=[step.format_map(texts) for step in row.steps],
        link=row.link.format_map(texts),
        verification=row.verification.format_map(texts),
    )


def _connection(account: VendorAccount | None, device: DeviceRecord | None) -> str:
    if account is not None:
        return account.connection
    return device.connection if device is not None else ""


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _words(interval: timedelta) -> str:
    seconds = round(interval.total_seconds())
    if seconds >= 60 and seconds % 60 == 0:
        return "minute" if seconds == 60 else f"{seconds // 60} minutes"
    return "second" if seconds <= 1 else f"{seconds} seconds"
