"""OmnyShell: reach your machines through a hub, by name.

The names below are the public face; users of the Dart package know them. Each is loaded at its first use, so that
`import omnyshell` and the command line stay quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omnyshell.clock import (
        Clock as Clock,
        SystemClock as SystemClock,
    )
    from omnyshell.errors import (
        AuthException as AuthException,
        AuthorizationException as AuthorizationException,
        CertGeneratorException as CertGeneratorException,
        ChannelException as ChannelException,
        ConfigException as ConfigException,
        ErrorCodes as ErrorCodes,
        NodeUnavailableException as NodeUnavailableException,
        OmnyShellException as OmnyShellException,
        OmnyShellTimeoutException as OmnyShellTimeoutException,
        ProtocolException as ProtocolException,
        SessionRejectedException as SessionRejectedException,
        TransportException as TransportException,
        TunnelRejectedException as TunnelRejectedException,
    )
    from omnyshell.ids import (
        ChannelId as ChannelId,
        NodeId as NodeId,
        PrincipalId as PrincipalId,
        SessionId as SessionId,
        new_id as new_id,
        new_secure_token as new_secure_token,
        short_id as short_id,
    )
    from omnyshell.model.audit import (
        AuditRecord as AuditRecord,
    )
    from omnyshell.model.live import (
        LiveNode as LiveNode,
        LivePeer as LivePeer,
        LiveSession as LiveSession,
        LiveTunnel as LiveTunnel,
        Part as Part,
    )
    from omnyshell.model.live_figures import LiveMetrics as LiveMetrics
    from omnyshell.model.nodes import (
        NodeCapabilities as NodeCapabilities,
        NodeDescriptor as NodeDescriptor,
        PlatformInfo as PlatformInfo,
    )
    from omnyshell.model.principals import (
        Principal as Principal,
    )
    from omnyshell.model.sessions import (
        CloseReason as CloseReason,
        DetachedSessionInfo as DetachedSessionInfo,
        PtySpec as PtySpec,
        SessionMode as SessionMode,
        SessionState as SessionState,
        ShellFamily as ShellFamily,
        Widths as Widths,
    )
    from omnyshell.model.tunnels import (
        PortRange as PortRange,
        TunnelInfo as TunnelInfo,
        TunnelProtocol as TunnelProtocol,
    )
    from omnyshell.protocol.codec import (
        ControlDecoder as ControlDecoder,
        FrameCodec as FrameCodec,
    )
    from omnyshell.protocol.frames import (
        ControlFrame as ControlFrame,
        DataFrame as DataFrame,
        DataOpcode as DataOpcode,
        OmnyShellFrame as OmnyShellFrame,
    )
    from omnyshell.protocol.messages import (
        ActiveSessionDetachRequest as ActiveSessionDetachRequest,
        ActiveSessionDetachResponse as ActiveSessionDetachResponse,
        AiConfigRequest as AiConfigRequest,
        AiConfigResponse as AiConfigResponse,
        AuthFail as AuthFail,
        AuthOk as AuthOk,
        AuthRequest as AuthRequest,
        ChannelClose as ChannelClose,
        ChannelEof as ChannelEof,
        ChannelExit as ChannelExit,
        ChannelResize as ChannelResize,
        ChannelSignal as ChannelSignal,
        ChannelWindow as ChannelWindow,
        ControlMessage as ControlMessage,
        DetachedSessionKillRequest as DetachedSessionKillRequest,
        DetachedSessionKillResponse as DetachedSessionKillResponse,
        DetachedSessionsRequest as DetachedSessionsRequest,
        DetachedSessionsResponse as DetachedSessionsResponse,
        DriveCredentialRequest as DriveCredentialRequest,
        DriveCredentialResponse as DriveCredentialResponse,
        Hello as Hello,
        HttpProxyRequest as HttpProxyRequest,
        HttpProxyResponse as HttpProxyResponse,
        NodeActiveSessionDetach as NodeActiveSessionDetach,
        NodeActiveSessionDetachResponse as NodeActiveSessionDetachResponse,
        NodeCapabilitiesMessage as NodeCapabilitiesMessage,
        NodeDetachedSessionKillRequest as NodeDetachedSessionKillRequest,
        NodeDetachedSessionKillResponse as NodeDetachedSessionKillResponse,
        NodeDetachedSessionsRequest as NodeDetachedSessionsRequest,
        NodeDetachedSessionsResponse as NodeDetachedSessionsResponse,
        NodeHeartbeat as NodeHeartbeat,
        NodeHeartbeatAck as NodeHeartbeatAck,
        NodeListRequest as NodeListRequest,
        NodeListResponse as NodeListResponse,
        NodeRegister as NodeRegister,
        NodeRegistered as NodeRegistered,
        NodeSessionDetach as NodeSessionDetach,
        NodeSessionDetached as NodeSessionDetached,
        NodeSessionOpen as NodeSessionOpen,
        NodeSessionOpened as NodeSessionOpened,
        NodeSessionRejected as NodeSessionRejected,
        NodeSessionScreenRequest as NodeSessionScreenRequest,
        NodeSessionScreenResponse as NodeSessionScreenResponse,
        NodeTunnelConnect as NodeTunnelConnect,
        NodeTunnelConnected as NodeTunnelConnected,
        NodeTunnelConnectFailed as NodeTunnelConnectFailed,
        Ping as Ping,
        Pong as Pong,
        ProtocolError as ProtocolError,
        SessionDetached as SessionDetached,
        SessionDetachRequest as SessionDetachRequest,
        SessionOpen as SessionOpen,
        SessionOpened as SessionOpened,
        SessionRejected as SessionRejected,
        SessionScreenRequest as SessionScreenRequest,
        SessionScreenResponse as SessionScreenResponse,
        TunnelCloseRequest as TunnelCloseRequest,
        TunnelCloseResponse as TunnelCloseResponse,
        TunnelListRequest as TunnelListRequest,
        TunnelListResponse as TunnelListResponse,
        TunnelOpened as TunnelOpened,
        TunnelOpenRequest as TunnelOpenRequest,
        TunnelRejected as TunnelRejected,
    )
    from omnyshell.protocol.version import (
        MIN_PROTOCOL_VERSION as MIN_PROTOCOL_VERSION,
        PROTOCOL_VERSION as PROTOCOL_VERSION,
        is_protocol_compatible as is_protocol_compatible,
    )
    from omnyshell.security.authenticators import (
        Authenticator as Authenticator,
        CompositeAuthenticator as CompositeAuthenticator,
        Evidence as Evidence,
        PublicKeyAuthenticator as PublicKeyAuthenticator,
        TokenAuthenticator as TokenAuthenticator,
        TokenGrant as TokenGrant,
    )
    from omnyshell.security.authorized_keys import (
        AuthorizedKey as AuthorizedKey,
        AuthorizedKeysStore as AuthorizedKeysStore,
    )
    from omnyshell.security.authorizer import (
        Action as Action,
        Authorizer as Authorizer,
        Decision as Decision,
        NodeResource as NodeResource,
        RoleBasedAuthorizer as RoleBasedAuthorizer,
    )
    from omnyshell.security.cert_generator import (
        CertGenerator as CertGenerator,
        GeneratedCertificates as GeneratedCertificates,
    )
    from omnyshell.security.certificates import (
        CertificateIdentity as CertificateIdentity,
    )
    from omnyshell.security.credentials import (
        Credential as Credential,
        CredentialProvider as CredentialProvider,
        LoginContext as LoginContext,
        PublicKeyCredential as PublicKeyCredential,
        PublicKeyCredentialProvider as PublicKeyCredentialProvider,
        SecurityKeyCredential as SecurityKeyCredential,
        TokenCredential as TokenCredential,
        TokenCredentialProvider as TokenCredentialProvider,
    )
    from omnyshell.security.grants import (
        Grant as Grant,
    )
    from omnyshell.security.identity import (
        OmnyUid as OmnyUid,
        UidComputer as UidComputer,
    )
    from omnyshell.security.keys import (
        Ed25519PrivateKey as Ed25519PrivateKey,
        Ed25519PublicKey as Ed25519PublicKey,
    )
    from omnyshell.security.login_limit import (
        LoginLimit as LoginLimit,
    )
    from omnyshell.security.machine import (
        MachineId as MachineId,
    )
    from omnyshell.security.public_keys import (
        SecurityKey as SecurityKey,
    )
    from omnyshell.security.uid_store import (
        UidResolution as UidResolution,
        UidStore as UidStore,
    )
    from omnyshell.services.client.access import (
        access_from_environment as access_from_environment,
    )
    from omnyshell.services.client.client import OmnyShellClient as OmnyShellClient
    from omnyshell.services.client.config import (
        ClientConfig as ClientConfig,
    )
    from omnyshell.services.client.live.feed import (
        LiveFeed as LiveFeed,
    )
    from omnyshell.services.client.live.state import (
        Change as Change,
        HubState as HubState,
        Link as Link,
    )
    from omnyshell.services.client.login_store import (
        CredentialStore as CredentialStore,
        StoredSession as StoredSession,
    )
    from omnyshell.services.client.node_sessions import (
        SessionScreen as SessionScreen,
    )
    from omnyshell.services.client.output import OutputChunk as OutputChunk
    from omnyshell.services.client.session import RemoteSession as RemoteSession
    from omnyshell.services.client.states import (
        ExitStatus as ExitStatus,
        LinkState as LinkState,
    )
    from omnyshell.services.client.whole_commands import ExecResult as ExecResult
    from omnyshell.services.dial import (
        HubAccess as HubAccess,
    )
    from omnyshell.services.exposer.targets import (
        NoTargets as NoTargets,
        TargetPatterns as TargetPatterns,
        TargetPolicy as TargetPolicy,
    )
    from omnyshell.services.hub.audit.log import (
        AuditLog as AuditLog,
        AuditSink as AuditSink,
    )
    from omnyshell.services.hub.ground.config import (
        HubConfig as HubConfig,
    )
    from omnyshell.services.hub.hub import (
        OmnyShellHub as OmnyShellHub,
    )
    from omnyshell.services.hub.nodes.heartbeat import (
        HeartbeatMonitor as HeartbeatMonitor,
    )
    from omnyshell.services.hub.nodes.registry import (
        NodeRegistry as NodeRegistry,
        RegisteredNode as RegisteredNode,
    )
    from omnyshell.services.hub.sessions.broker import (
        HubBroker as HubBroker,
    )
    from omnyshell.services.hub.sessions.route import (
        Session as Session,
        SessionRoute as SessionRoute,
    )
    from omnyshell.services.hub.sessions.router import (
        SessionRouter as SessionRouter,
    )
    from omnyshell.services.hub.tunnels.registry import (
        TunnelRegistration as TunnelRegistration,
        TunnelRegistry as TunnelRegistry,
    )
    from omnyshell.services.node.backend import (
        Foreground as Foreground,
        OutputSink as OutputSink,
        ShellBackend as ShellBackend,
        ShellRequest as ShellRequest,
        ShellSession as ShellSession,
    )
    from omnyshell.services.node.config import (
        Keeping as Keeping,
        NodeConfig as NodeConfig,
    )
    from omnyshell.services.node.node import (
        OmnyShellNode as OmnyShellNode,
    )
    from omnyshell.transport.channels import (
        Channel as Channel,
        ChannelMultiplexer as ChannelMultiplexer,
    )
    from omnyshell.transport.connection import (
        HubAddress as HubAddress,
        OmnyShellConnection as OmnyShellConnection,
    )
    from omnyshell.transport.endpoint import (
        EndpointLimits as EndpointLimits,
        OnConnection as OnConnection,
        WsServerEndpoint as WsServerEndpoint,
    )
    from omnyshell.transport.keepalive import (
        KeepaliveTimes as KeepaliveTimes,
    )
    from omnyshell.transport.strangers import (
        StrangerLimit as StrangerLimit,
    )
    from omnyshell.version import (
        __version__ as __version__,
    )

_HOMES = {
    "omnyshell.clock": "Clock SystemClock",
    "omnyshell.errors": (
        "AuthException AuthorizationException CertGeneratorException ChannelException ConfigException "
        "ErrorCodes NodeUnavailableException OmnyShellException OmnyShellTimeoutException ProtocolException "
        "SessionRejectedException TransportException TunnelRejectedException"
    ),
    "omnyshell.ids": "ChannelId NodeId PrincipalId SessionId new_id new_secure_token short_id",
    "omnyshell.model.audit": "AuditRecord",
    "omnyshell.model.live": "LiveNode LivePeer LiveSession LiveTunnel Part",
    "omnyshell.model.live_figures": "LiveMetrics",
    "omnyshell.model.nodes": "NodeCapabilities NodeDescriptor PlatformInfo",
    "omnyshell.model.principals": "Principal",
    "omnyshell.model.sessions": "CloseReason DetachedSessionInfo PtySpec SessionMode SessionState ShellFamily Widths",
    "omnyshell.model.tunnels": "PortRange TunnelInfo TunnelProtocol",
    "omnyshell.protocol.codec": "ControlDecoder FrameCodec",
    "omnyshell.protocol.frames": "ControlFrame DataFrame DataOpcode OmnyShellFrame",
    "omnyshell.protocol.messages": (
        "ActiveSessionDetachRequest ActiveSessionDetachResponse AiConfigRequest AiConfigResponse AuthFail "
        "AuthOk AuthRequest ChannelClose ChannelEof ChannelExit ChannelResize ChannelSignal ChannelWindow "
        "ControlMessage DetachedSessionKillRequest DetachedSessionKillResponse DetachedSessionsRequest "
        "DetachedSessionsResponse DriveCredentialRequest DriveCredentialResponse Hello HttpProxyRequest "
        "HttpProxyResponse NodeActiveSessionDetach NodeActiveSessionDetachResponse NodeCapabilitiesMessage "
        "NodeDetachedSessionKillRequest NodeDetachedSessionKillResponse NodeDetachedSessionsRequest "
        "NodeDetachedSessionsResponse NodeHeartbeat NodeHeartbeatAck NodeListRequest NodeListResponse "
        "NodeRegister NodeRegistered NodeSessionDetach NodeSessionDetached NodeSessionOpen NodeSessionOpened "
        "NodeSessionRejected NodeSessionScreenRequest NodeSessionScreenResponse NodeTunnelConnect "
        "NodeTunnelConnectFailed NodeTunnelConnected Ping Pong ProtocolError SessionDetachRequest "
        "SessionDetached SessionOpen SessionOpened SessionRejected SessionScreenRequest SessionScreenResponse "
        "TunnelCloseRequest TunnelCloseResponse TunnelListRequest TunnelListResponse TunnelOpenRequest "
        "TunnelOpened TunnelRejected"
    ),
    "omnyshell.protocol.version": "MIN_PROTOCOL_VERSION PROTOCOL_VERSION is_protocol_compatible",
    "omnyshell.security.authenticators": (
        "Authenticator CompositeAuthenticator Evidence PublicKeyAuthenticator TokenAuthenticator TokenGrant"
    ),
    "omnyshell.security.authorized_keys": "AuthorizedKey AuthorizedKeysStore",
    "omnyshell.security.authorizer": "Action Authorizer Decision NodeResource RoleBasedAuthorizer",
    "omnyshell.security.cert_generator": "CertGenerator GeneratedCertificates",
    "omnyshell.security.certificates": "CertificateIdentity",
    "omnyshell.security.credentials": (
        "Credential CredentialProvider LoginContext PublicKeyCredential PublicKeyCredentialProvider "
        "SecurityKeyCredential TokenCredential TokenCredentialProvider"
    ),
    "omnyshell.security.grants": "Grant",
    "omnyshell.security.identity": "OmnyUid UidComputer",
    "omnyshell.security.keys": "Ed25519PrivateKey Ed25519PublicKey",
    "omnyshell.security.login_limit": "LoginLimit",
    "omnyshell.security.machine": "MachineId",
    "omnyshell.security.public_keys": "SecurityKey",
    "omnyshell.security.uid_store": "UidResolution UidStore",
    "omnyshell.services.client.access": "access_from_environment",
    "omnyshell.services.client.client": "OmnyShellClient",
    "omnyshell.services.client.whole_commands": "ExecResult",
    "omnyshell.services.client.config": "ClientConfig",
    "omnyshell.services.client.live.feed": "LiveFeed",
    "omnyshell.services.client.live.state": "Change HubState Link",
    "omnyshell.services.client.login_store": "CredentialStore StoredSession",
    "omnyshell.services.client.node_sessions": "SessionScreen",
    "omnyshell.services.client.output": "OutputChunk",
    "omnyshell.services.client.session": "RemoteSession",
    "omnyshell.services.client.states": "ExitStatus LinkState",
    "omnyshell.services.dial": "HubAccess",
    "omnyshell.services.exposer.targets": "NoTargets TargetPatterns TargetPolicy",
    "omnyshell.services.hub.audit.log": "AuditLog AuditSink",
    "omnyshell.services.hub.sessions.broker": "HubBroker",
    "omnyshell.services.hub.ground.config": "HubConfig",
    "omnyshell.services.hub.nodes.heartbeat": "HeartbeatMonitor",
    "omnyshell.services.hub.hub": "OmnyShellHub",
    "omnyshell.services.hub.nodes.registry": "NodeRegistry RegisteredNode",
    "omnyshell.services.hub.sessions.route": "Session SessionRoute",
    "omnyshell.services.hub.sessions.router": "SessionRouter",
    "omnyshell.services.hub.tunnels.registry": "TunnelRegistration TunnelRegistry",
    "omnyshell.services.node.backend": "Foreground OutputSink ShellBackend ShellRequest ShellSession",
    "omnyshell.services.node.config": "Keeping NodeConfig",
    "omnyshell.services.node.node": "OmnyShellNode",
    "omnyshell.transport.channels": "Channel ChannelMultiplexer",
    "omnyshell.transport.connection": "HubAddress OmnyShellConnection",
    "omnyshell.transport.endpoint": "EndpointLimits OnConnection WsServerEndpoint",
    "omnyshell.transport.keepalive": "KeepaliveTimes",
    "omnyshell.transport.strangers": "StrangerLimit",
    "omnyshell.version": "__version__",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'omnyshell' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
