"""Public ports, and whose tunnel has which."""

import pytest
from support.clock import FakeClock

from omnyshell import (
    PortRange,
    TunnelInfo,
    TunnelRegistration,
    TunnelRegistry,
    TunnelRejectedException,
)


def test_tunnel_ports_have_one_owner_each() -> None:
    registry = TunnelRegistry(PortRange.parse("9000-9001"))
    entries = []
    for number in range(2):
        port = registry.choose_port(None)
        info = TunnelInfo(
            tunnel_id=f"ab{number}", node_id="n", target_port=80, public_port=port, created_at=FakeClock().now()
        )
        entries.append(TunnelRegistration(info, "ann"))
        registry.add(entries[-1])
    for wanted, code in ((None, "port_in_use"), (9000, "port_in_use"), (9002, "port_out_of_range")):
        with pytest.raises(TunnelRejectedException) as rejected:
            registry.choose_port(wanted)
        assert rejected.value.code == code
    assert registry.find("ann", "ab1") is entries[1]
    assert registry.find("ann", "ab") is registry.find("ann", "") is registry.find("eve", "ab1") is None
    registry.remove(entries[0])
    assert registry.choose_port(9000) == 9000
    with pytest.raises(TunnelRejectedException):
        TunnelRegistry(None).choose_port(None)
