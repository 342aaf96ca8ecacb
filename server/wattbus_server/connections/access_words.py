"""Access and vendors in plain words, for pages and remedies that end users read."""

from collections.abc import Collection, Mapping

from wattbus.v1.connection_pb2 import Access, Vendor

ACCESS_WORDS: Mapping[Access.ValueType, str] = {
    Access.ACCESS_READ_VEHICLES: "See your vehicles: charge level, charging, climate, doors and windows",
    Access.ACCESS_READ_VEHICLE_LOCATION: "See where your vehicles are",
    Access.ACCESS_CHARGE_VEHICLES: "Control the charging of your vehicles",
    Access.ACCESS_COMMAND_VEHICLES: "Send commands to your vehicles, for example lock, climate and charging",
    Access.ACCESS_READ_ENERGY: "See your home battery, solar and meter",
    Access.ACCESS_COMMAND_ENERGY: "Change the settings of your home battery",
}


def in_words(access: Collection[Access.ValueType]) -> list[str]:
    """Say what access means, in a fixed order."""
    return [ACCESS_WORDS[item] for item in sorted(set(access))]


def vendor_word(vendor: Vendor.ValueType) -> str:
    """Return the vendor's name as people write it."""
    return Vendor.Name(vendor).removeprefix("VENDOR_").replace("_", " ").title()


def vendor_slug(vendor: Vendor.ValueType) -> str:
    """Return the vendor's name as it stands in URLs."""
    return Vendor.Name(vendor).removeprefix("VENDOR_").replace("_", "-").lower()
