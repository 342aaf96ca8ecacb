"""Control of Tesla devices: what blocks an action, how it is sent, and what proves it."""

from wattbus_server.vendors.tesla.control.tesla_control import TeslaControl

__all__ = ["TeslaControl"]
