"""Edge: how ExaBGP takes attributes that are not as they should be. Runs in its process, see exabgp/patches.

As shipped an ORIGINATOR_ID, CLUSTER_LIST, AS4_PATH, AS4_AGGREGATOR or AIGP of a wrong length ends the session: one
bad optional attribute, forwarded from several hops away, would cost all routes (RFC 7606 §1). And what it prints of
a spoiled BGP Prefix-SID is no JSON, so that the whole UPDATE is lost.
"""

WITHDRAWING = (9, 10)  # RFC 7606 §7.9, §7.10
DISCARDED = (17, 18, 26)  # RFC 6793 §6, RFC 7311 §3.2
NOT_OURS = (22, 29, 40)  # PMSI tunnel, BGP-LS, Prefix-SID: they mean nothing for unicast routes, and are not read


def patch_attribute_errors() -> None:
    """Errors in these attributes withdraw their routes or are passed over; those that are not ours are not read."""
    from exabgp.bgp.message.update.attribute.attribute import Attribute
    from exabgp.bgp.message.update.attribute.attributes import Attributes

    Attributes.TREAT_AS_WITHDRAW += WITHDRAWING
    Attributes.DISCARD += DISCARDED
    Attribute.registered_attributes = {
        key: kind for key, kind in Attribute.registered_attributes.items() if kind.ID not in NOT_OURS
    }
