"""Advice: for every reason that the Tesla adapter can give, who removes the cause, where and how."""

from collections.abc import Mapping
from types import MappingProxyType

from wattbus.v1.reason_pb2 import Reason

from wattbus_server.vendors.tesla.advice.account import ACCOUNT_ADVICE
from wattbus_server.vendors.tesla.advice.device import DEVICE_ADVICE
from wattbus_server.vendors.tesla.advice.operator import OPERATOR_ADVICE
from wattbus_server.vendors.tesla.advice.rows import AdviceRow
from wattbus_server.vendors.tesla.advice.site import SITE_ADVICE
from wattbus_server.vendors.tesla.advice.vehicle import VEHICLE_ADVICE

ADVICE: Mapping[Reason.ValueType, AdviceRow] = MappingProxyType(
    {**ACCOUNT_ADVICE, **VEHICLE_ADVICE, **SITE_ADVICE, **DEVICE_ADVICE, **OPERATOR_ADVICE}
)
"""Every reason that the adapter can give."""

LASTING = frozenset(reason for reason, row in ADVICE.items() if row.lasts)
"""Reasons that stay until somebody acts."""
