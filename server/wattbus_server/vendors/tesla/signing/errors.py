"""The errors of the signed-command client.

Each says truthfully whether the vehicle may have executed the command. Errors of the transport are
not among them: they pass through the client untouched.
"""

from wattbus_server.vendors.tesla.signing.faults import RetryPolicy, fault_rule


class SigningError(Exception):
    """A signed command did not end in an authentic answer of the vehicle.

    Attributes:
        may_have_executed: False only if it is certain that the vehicle did not act.
    """

    def __init__(self, sentence: str, *, may_have_executed: bool) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.may_have_executed = may_have_executed


class VehicleFault(SigningError):
    """The vehicle answered with a protocol fault, and retrying within the call did not help.

    Attributes:
        number: of `MessageFault_E`; 0 if the vehicle reported an error without a fault.
        name: of the fault, such as `UNKNOWN_KEY_ID`.
        sentence: in English; for an unpaired key the words of Tesla's own tools.
        retry: what makes another try sensible.
    """

    def __init__(self, number: int, *, may_have_executed: bool | None = None) -> None:
        """Describe a fault.

        Args:
            number: of `MessageFault_E`.
            may_have_executed: None takes what the fault table says.
        """
        rule = fault_rule(number)
        executed = rule.may_have_executed if may_have_executed is None else may_have_executed
        super().__init__(rule.sentence, may_have_executed=executed)
        self.number = number
        self.name = rule.name
        self.retry: RetryPolicy = rule.retry


class InvalidAnswer(SigningError):
    """The answer is malformed, forged, replayed, or belongs to another request."""


class CommandExpired(SigningError):
    """The time that the caller gave ran out before the command could be sent."""
