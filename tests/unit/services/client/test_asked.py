"""Answers that are what was asked for, and not all of it."""

import pytest

from omnyshell.protocol.messages import NodeListRequest, NodeListResponse, TunnelListRequest, TunnelListResponse
from omnyshell.services.client.asked import check_kind


def test_a_list_that_was_cut_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    request = TunnelListRequest(request_id="r")
    check_kind(request, TunnelListResponse(request_id="r"), TunnelListResponse)
    assert caplog.messages == []
    check_kind(request, TunnelListResponse(request_id="r", left_out=7), TunnelListResponse)
    assert caplog.messages == ["7 more tunnels have no place in one answer: they are left out"]


def test_a_listing_of_nodes_says_it_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    check_kind(NodeListRequest(), NodeListResponse(left_out=7), NodeListResponse)
    assert caplog.messages == []
