"""Metadata that signatures cover, in the protocol's tag-length-value form."""

from collections.abc import Mapping

from tesla_protocol.command.signatures_pb2 import Tag


def serialize(items: Mapping["Tag", bytes | int]) -> bytes:
    """Metadata items sorted by tag and closed by the end tag.

    Integers become four big-endian bytes, except the one-byte signature type and domain, which
    the caller passes as bytes.

    Raises:
        ValueError: If a value is longer than 255 bytes.
    """
    serialized = bytearray()
    for tag in sorted(items):
        item = items[tag]
        value = item.to_bytes(4) if isinstance(item, int) else item
        if len(value) > 255:
            raise ValueError("a metadata value has at most 255 bytes")
        serialized += bytes((tag, len(value))) + value
    return bytes(serialized) + bytes((Tag.TAG_END,))
