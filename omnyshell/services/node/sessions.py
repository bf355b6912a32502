"""The sessions of a node: between a channel of the hub and a process."""

import asyncio
import logging

from omnyshell.errors import ErrorCodes, OmnyShellException, SessionRejectedException
from omnyshell.model.sessions import CloseReason, SessionMode
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.messages import (
    ChannelClose,
    ChannelEof,
    ChannelExit,
    ChannelMessage,
    ChannelResize,
    ChannelSignal,
    NodeSessionOpen,
    NodeSessionOpened,
    NodeSessionRejected,
)
from omnyshell.services.node.backend import ShellRequest, ShellSession
from omnyshell.services.node.config import NodeConfig
from omnyshell.transport.channels import Channel
from omnyshell.transport.connection import OmnyShellConnection

logger = logging.getLogger("omnyshell.node")
