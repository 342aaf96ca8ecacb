"""Protocol faults: refusals of a message before its command is looked at."""

from tesla_protocol.command.universal_message_pb2 import MessageFault_E

from tesla_sandbox.cars.security.sessions import Session

FAULT_NUMBERS: frozenset[int] = frozenset(MessageFault_E.values()) - {MessageFault_E.MESSAGEFAULT_ERROR_NONE}
"""Every number of a fault that `signed_message_fault` can carry."""

RESYNCHRONISING_FAULTS: frozenset[int] = frozenset(
    {
        MessageFault_E.MESSAGEFAULT_ERROR_INVALID_SIGNATURE,
        MessageFault_E.MESSAGEFAULT_ERROR_INVALID_TOKEN_OR_COUNTER,
        MessageFault_E.MESSAGEFAULT_ERROR_INCORRECT_EPOCH,
        MessageFault_E.MESSAGEFAULT_ERROR_TIME_EXPIRED,
        MessageFault_E.MESSAGEFAULT_ERROR_TIME_TO_LIVE_TOO_LONG,
        MessageFault_E.MESSAGEFAULT_ERROR_REPEATED_COUNTER,
    }
)
"""Faults whose answer carries fresh session information, so that a client can recover at once."""


class ProtocolFault(Exception):
    """A message is refused at the protocol layer.

    Args:
        code: The number of the fault.
        session: The signer's session when it is known; decides whether the answer can carry
            session information.
    """

    def __init__(self, code: int, session: Session | None = None) -> None:
        super().__init__(MessageFault_E.Name(code))
        self.code = code
        self.session = session
