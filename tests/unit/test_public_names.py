"""The public face: the names that users of the Dart package know, and nothing that pulls in too much."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.deadline import DEADLINE

import omnyshell

EXPECTED = [
    "ActiveSessionDetachRequest",
    "ActiveSessionDetachResponse",
    "AuditLog",
    "AuditRecord",
    "AuthException",
    "AuthFail",
    "AuthOk",
    "AuthRequest",
    "Authenticator",
    "AuthorizationException",
    "AuthorizedKey",
    "AuthorizedKeysStore",
    "Authorizer",
    "CertGenerator",
    "CertGeneratorException",
    "CertificateIdentity",
    "Channel",
    "ChannelClose",
    "ChannelEof",
    "ChannelException",
    "ChannelExit",
    "ChannelId",
    "ChannelMultiplexer",
    "ChannelResize",
    "ChannelSignal",
    "ChannelWindow",
    "Clock",
    "CompositeAuthenticator",
    "ControlFrame",
    "ControlMessage",
    "Credential",
    "CredentialProvider",
    "CredentialStore",
    "DataFrame",
    "DataOpcode",
    "DetachedSessionInfo",
    "DetachedSessionKillRequest",
    "DetachedSessionKillResponse",
    "DetachedSessionsRequest",
    "DetachedSessionsResponse",
    "Ed25519PublicKey",
    "ErrorCodes",
    "FrameCodec",
    "GeneratedCertificates",
    "HeartbeatMonitor",
    "Hello",
    "HubBroker",
    "HubConfig",
    "MachineId",
    "NodeActiveSessionDetach",
    "NodeActiveSessionDetachResponse",
    "NodeCapabilities",
    "NodeCapabilitiesMessage",
    "NodeDescriptor",
    "NodeDetachedSessionKillRequest",
    "NodeDetachedSessionKillResponse",
    "NodeDetachedSessionsRequest",
    "NodeDetachedSessionsResponse",
    "NodeHeartbeat",
    "NodeHeartbeatAck",
    "NodeId",
    "NodeListRequest",
    "NodeListResponse",
    "NodeRegister",
    "NodeRegistered",
    "NodeRegistry",
    "NodeSessionDetach",
    "NodeSessionDetached",
    "NodeSessionOpen",
    "NodeSessionOpened",
    "NodeSessionRejected",
    "NodeSessionScreenRequest",
    "NodeSessionScreenResponse",
    "NodeTunnelConnect",
    "NodeTunnelConnectFailed",
    "NodeTunnelConnected",
    "NodeUnavailableException",
    "OmnyShellConnection",
    "OmnyShellException",
    "OmnyShellFrame",
    "OmnyShellHub",
    "OmnyShellTimeoutException",
    "OmnyUid",
    "Ping",
    "PlatformInfo",
    "Pong",
    "PortRange",
    "Principal",
    "PrincipalId",
    "ProtocolError",
    "ProtocolException",
    "PtySpec",
    "PublicKeyAuthenticator",
    "PublicKeyCredential",
    "PublicKeyCredentialProvider",
    "RegisteredNode",
    "RoleBasedAuthorizer",
    "Session",
    "SessionDetachRequest",
    "SessionDetached",
    "SessionId",
    "SessionMode",
    "SessionOpen",
    "SessionOpened",
    "SessionRejected",
    "SessionRejectedException",
    "SessionRoute",
    "SessionRouter",
    "SessionScreenRequest",
    "SessionScreenResponse",
    "SessionState",
    "ShellBackend",
    "ShellFamily",
    "ShellRequest",
    "ShellSession",
    "StoredSession",
    "SystemClock",
    "TokenAuthenticator",
    "TokenCredential",
    "TokenCredentialProvider",
    "TokenGrant",
    "TransportException",
    "TunnelCloseRequest",
    "TunnelCloseResponse",
    "TunnelInfo",
    "TunnelListRequest",
    "TunnelListResponse",
    "TunnelOpenRequest",
    "TunnelOpened",
    "TunnelRegistration",
    "TunnelRegistry",
    "TunnelRejected",
    "TunnelRejectedException",
    "UidComputer",
    "UidResolution",
    "UidStore",
    "WsServerEndpoint",
    "MIN_PROTOCOL_VERSION",
    "PROTOCOL_VERSION",
    "__version__",
    "is_protocol_compatible",
    "new_id",
    "new_secure_token",
    "short_id",
    "ControlDecoder",
    "OnConnection",
]


def test_every_known_name_is_there() -> None:
    assert [name for name in EXPECTED if getattr(omnyshell, name, None) is None] == []
    assert set(EXPECTED) <= set(omnyshell.__all__)


def test_types_and_run_time_agree_on_the_names() -> None:
    source = Path(omnyshell.__file__).read_text()
    for_types = set(re.findall(r"(\w+) as \w+", source))
    assert for_types == set(omnyshell.__all__)
    for name in omnyshell.__all__:
        getattr(omnyshell, name)


@pytest.mark.usefixtures("unmeasured")
def test_the_client_commands_load_nothing_heavy() -> None:
    code = (
        "import sys, omnyshell.cli.main, omnyshell.cli.grammar.parsing; "
        "import omnyshell.cli.sessions.exec, omnyshell.cli.sessions.connect; "
        "heavy = {'textual', 'rich', 'structlog', 'typer', 'cryptography', 'sqlite3', 'pyte'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=DEADLINE)
    assert shown.stdout.strip() == "[]"
