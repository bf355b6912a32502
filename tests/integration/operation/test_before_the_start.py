"""What an embedder looks at and listens to is there when a hub has been made, and stays the same when it is started."""

from support.raw_peer import logged_in, registered
from support.stack import Certificates, hub_config

from omnyshell import OmnyShellHub
from omnyshell.services.hub.ground.event_bus import HubEvent, NodeEvent, PeerEvent


async def test_who_listens_before_the_start_misses_nothing(certificates: Certificates) -> None:
    hub = OmnyShellHub(hub_config(certificates))
    seen = hub.nodes, hub.sessions, hub.tunnels
    assert [len(each) for each in seen] == [0, 0, 0]
    assert (hub.connections, len(hub.audit)) == (0, 0)
    heard: list[HubEvent] = []
    hub.bus.listen(heard.append)
    async with hub, registered(certificates, hub.port), logged_in(certificates, hub.port, "client", "dev", "dev-token"):
        assert (hub.nodes, hub.sessions, hub.tunnels) == seen
        assert len(seen[0]) == 1
    assert len(seen[0]) == 0
    assert [event.node_id for event in heard if isinstance(event, NodeEvent)] == ["n1"] * 2
    assert [event.is_connected for event in heard if isinstance(event, PeerEvent)] == [True, True, False, False]
