"""One probe packet and what came of it. Pure."""

from felixpy.model.status import Record


class ProbeResult(Record, frozen=True):
    """What one ICMP echo request brought back."""

    source: str
    destination: str
    size: int  # bytes of the whole IP packet, sent with DF
    answered: bool
    rtt_ms: float | None = None
    text: str = ""  # an ICMP error in words, or that nothing came back
    by: str = ""  # who sent the error
    mtu: int = 0  # of the link that the packet did not fit, as the error says; 0 for none
