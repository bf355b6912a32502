"""The service of admins with all that deals with their requests, whose neighbours do nothing."""

import inspect
from typing import Any
from unittest.mock import MagicMock

from omnyshell.services.hub.admin.audit import AuditAdmin
from omnyshell.services.hub.admin.credentials import CredentialAdmin
from omnyshell.services.hub.admin.draining import Draining
from omnyshell.services.hub.admin.endings import Endings
from omnyshell.services.hub.admin.hub_members import HubMembers
from omnyshell.services.hub.admin.invites import Invites
from omnyshell.services.hub.admin.locks import LockAdmin
from omnyshell.services.hub.admin.node_ids import NodeIdAdmin
from omnyshell.services.hub.admin.plans import AdminMember
from omnyshell.services.hub.admin.reads import LiveReads
from omnyshell.services.hub.admin.service import AdminService

MEMBERS = (LiveReads, AuditAdmin, CredentialAdmin, NodeIdAdmin, Endings, LockAdmin, Invites, Draining, HubMembers)


def alone(made: Any, **neighbours: Any) -> Any:
    """Make something whose neighbours, but for these, do nothing."""
    return made(**{**dict.fromkeys(inspect.signature(made).parameters, MagicMock()), **neighbours})


def admin_members() -> list[AdminMember]:
    """Return what deals with requests of admins."""
    return [alone(made) for made in MEMBERS]


def admin_service(members: list[AdminMember] | None = None) -> AdminService:
    """Return the service, with all its members or with these."""
    return alone(AdminService, members=admin_members() if members is None else members)  # type: ignore[no-any-return]
