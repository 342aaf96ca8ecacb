"""What the catalogue says of healing, against what Tesla can be asked about."""

from wattbus.v1.reason_pb2 import Reason

from wattbus_server.blockers import catalogue
from wattbus_server.blockers.catalogue_entry import Healing
from wattbus_server.vendors.tesla.control.verification import ONLY_A_COMMAND_TELLS


def test_nothing_is_said_to_be_verified_that_only_a_command_can_tell() -> None:
    verified = {reason for reason in Reason.values() if catalogue.entry(reason).healing is Healing.VERIFIED}
    assert not verified & ONLY_A_COMMAND_TELLS, "such a blocker would refuse every command and never close"
