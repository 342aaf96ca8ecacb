"""The few parts of the protobuf wire format with which already encoded messages are joined."""

_LENGTH_DELIMITED = 2


def varint(value: int) -> bytes:
    """Encode a number that is not negative."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def length_delimited(field_number: int, payload: bytes) -> bytes:
    """Encode a field that holds an encoded message, a text or bytes."""
    return varint(field_number << 3 | _LENGTH_DELIMITED) + varint(len(payload)) + payload
