"""OmnyShell: reach your machines through a hub, by name.

The names below are the public face; users of the Dart package know them. Each is loaded at its first use, so that
`import omnyshell` and the command line stay quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omnyshell.clock import (
        Clock as Clock,
    )
    from omnyshell.clock import (
        SystemClock as SystemClock,
    )
    from omnyshell.errors import (
        AuthException as AuthException,
    )
    from omnyshell.errors import (
        AuthorizationException as AuthorizationException,
    )
    from omnyshell.errors import (
        CertGeneratorException as CertGeneratorException,
    )
    from omnyshell.errors import (
        ChannelException as ChannelException,
    )
    from omnyshell.errors import (
        ConfigException as ConfigException,
    )
    from omnyshell.errors import (
        ErrorCodes as ErrorCodes,
    )
    from omnyshell.errors import (
        NodeUnavailableException as NodeUnavailableException,
    )
    from omnyshell.errors import (
        OmnyShellException as OmnyShellException,
    )
    from omnyshell.errors import (
        OmnyShellTimeoutException as OmnyShellTimeoutException,
    )
    from omnyshell.errors import (
        ProtocolException as ProtocolException,
    )
    from omnyshell.errors import (
        SessionRejectedException as SessionRejectedException,
    )
    from omnyshell.errors import (
        TransportException as TransportException,
    )
    from omnyshell.errors import (
        TunnelRejectedException as TunnelRejectedException,
    )
    from omnyshell.ids import (
        ChannelId as ChannelId,
    )
    from omnyshell.ids import (
        NodeId as NodeId,
    )
    from omnyshell.ids import (
        PrincipalId as PrincipalId,
    )
    from omnyshell.ids import (
        SessionId as SessionId,
    )
    from omnyshell.ids import (
        new_id as new_id,
    )
    from omnyshell.ids import (
        new_secure_token as new_secure_token,
    )
    from omnyshell.ids import (
        short_id as short_id,
    )
    from omnyshell.model.audit import (
        AuditRecord as AuditRecord,
    )
    from omnyshell.model.nodes import (
        NodeCapabilities as NodeCapabilities,
    )
    from omnyshell.model.nodes import (
        NodeDescriptor as NodeDescriptor,
    )
    from omnyshell.model.nodes import (
        PlatformInfo as PlatformInfo,
    )
    from omnyshell.model.principals import (
        Principal as Principal,
    )
    from omnyshell.model.sessions import (
        CloseReason as CloseReason,
    )
    from omnyshell.model.sessions import (
        DetachedSessionInfo as DetachedSessionInfo,
    )
    from omnyshell.model.sessions import (
        PtySpec as PtySpec,
    )
    from omnyshell.model.sessions import (
        SessionMode as SessionMode,
    )
    from omnyshell.model.sessions import (
        SessionState as SessionState,
    )
    from omnyshell.model.sessions import (
        ShellFamily as ShellFamily,
    )
    from omnyshell.model.tunnels import (
        PortRange as PortRange,
    )
    from omnyshell.model.tunnels import (
        TunnelInfo as TunnelInfo,
    )
    from omnyshell.model.tunnels import (
        TunnelProtocol as TunnelProtocol,
    )
    from omnyshell.protocol.codec import (
        ControlDecoder as ControlDecoder,
    )
    from omnyshell.protocol.codec import (
        FrameCodec as FrameCodec,
    )
    from omnyshell.protocol.frames import (
        ControlFrame as ControlFrame,
    )
    from omnyshell.protocol.frames import (
        DataFrame as DataFrame,
    )
    from omnyshell.protocol.frames import (
        DataOpcode as DataOpcode,
    )
    from omnyshell.protocol.frames import (
        OmnyShellFrame as OmnyShellFrame,
    )
    from omnyshell.protocol.messages import (
        ActiveSessionDetachRequest as ActiveSessionDetachRequest,
    )
    from omnyshell.protocol.messages import (
        ActiveSessionDetachResponse as ActiveSessionDetachResponse,
    )
    from omnyshell.protocol.messages import (
        AiConfigRequest as AiConfigRequest,
    )
    from omnyshell.protocol.messages import (
        AiConfigResponse as AiConfigResponse,
    )
    from omnyshell.protocol.messages import (
        AuthFail as AuthFail,
    )
    from omnyshell.protocol.messages import (
        AuthOk as AuthOk,
    )
    from omnyshell.protocol.messages import (
        AuthRequest as AuthRequest,
    )
    from omnyshell.protocol.messages import (
        ChannelClose as ChannelClose,
    )
    from omnyshell.protocol.messages import (
        ChannelEof as ChannelEof,
    )
    from omnyshell.protocol.messages import (
        ChannelExit as ChannelExit,
    )
    from omnyshell.protocol.messages import (
        ChannelResize as ChannelResize,
    )
    from omnyshell.protocol.messages import (
        ChannelSignal as ChannelSignal,
    )
    from omnyshell.protocol.messages import (
        ChannelWindow as ChannelWindow,
    )
    from omnyshell.protocol.messages import (
        ControlMessage as ControlMessage,
    )
    from omnyshell.protocol.messages import (
        DetachedSessionKillRequest as DetachedSessionKillRequest,
    )
    from omnyshell.protocol.messages import (
        DetachedSessionKillResponse as DetachedSessionKillResponse,
    )
    from omnyshell.protocol.messages import (
        DetachedSessionsRequest as DetachedSessionsRequest,
    )
    from omnyshell.protocol.messages import (
        DetachedSessionsResponse as DetachedSessionsResponse,
    )
    from omnyshell.protocol.messages import (
        DriveCredentialRequest as DriveCredentialRequest,
    )
    from omnyshell.protocol.messages import (
        DriveCredentialResponse as DriveCredentialResponse,
    )
    from omnyshell.protocol.messages import (
        Hello as Hello,
    )
    from omnyshell.protocol.messages import (
        HttpProxyRequest as HttpProxyRequest,
    )
    from omnyshell.protocol.messages import (
        HttpProxyResponse as HttpProxyResponse,
    )
    from omnyshell.protocol.messages import (
        NodeActiveSessionDetach as NodeActiveSessionDetach,
    )
    from omnyshell.protocol.messages import (
        NodeActiveSessionDetachResponse as NodeActiveSessionDetachResponse,
    )
    from omnyshell.protocol.messages import (
        NodeCapabilitiesMessage as NodeCapabilitiesMessage,
    )
    from omnyshell.protocol.messages import (
        NodeDetachedSessionKillRequest as NodeDetachedSessionKillRequest,
    )
    from omnyshell.protocol.messages import (
        NodeDetachedSessionKillResponse as NodeDetachedSessionKillResponse,
    )
    from omnyshell.protocol.messages import (
        NodeDetachedSessionsRequest as NodeDetachedSessionsRequest,
    )
    from omnyshell.protocol.messages import (
        NodeDetachedSessionsResponse as NodeDetachedSessionsResponse,
    )
    from omnyshell.protocol.messages import (
        NodeHeartbeat as NodeHeartbeat,
    )
    from omnyshell.protocol.messages import (
        NodeHeartbeatAck as NodeHeartbeatAck,
    )
    from omnyshell.protocol.messages import (
        NodeListRequest as NodeListRequest,
    )
    from omnyshell.protocol.messages import (
        NodeListResponse as NodeListResponse,
    )
    from omnyshell.protocol.messages import (
        NodeRegister as NodeRegister,
    )
    from omnyshell.protocol.messages import (
        NodeRegistered as NodeRegistered,
    )
    from omnyshell.protocol.messages import (
        NodeSessionDetach as NodeSessionDetach,
    )
    from omnyshell.protocol.messages import (
        NodeSessionDetached as NodeSessionDetached,
    )
    from omnyshell.protocol.messages import (
        NodeSessionOpen as NodeSessionOpen,
    )
    from omnyshell.protocol.messages import (
        NodeSessionOpened as NodeSessionOpened,
    )
    from omnyshell.protocol.messages import (
        NodeSessionRejected as NodeSessionRejected,
    )
    from omnyshell.protocol.messages import (
        NodeSessionScreenRequest as NodeSessionScreenRequest,
    )
    from omnyshell.protocol.messages import (
        NodeSessionScreenResponse as NodeSessionScreenResponse,
    )
    from omnyshell.protocol.messages import (
        NodeTunnelConnect as NodeTunnelConnect,
    )
    from omnyshell.protocol.messages import (
        NodeTunnelConnected as NodeTunnelConnected,
    )
    from omnyshell.protocol.messages import (
        NodeTunnelConnectFailed as NodeTunnelConnectFailed,
    )
    from omnyshell.protocol.messages import (
        Ping as Ping,
    )
    from omnyshell.protocol.messages import (
        Pong as Pong,
    )
    from omnyshell.protocol.messages import (
        ProtocolError as ProtocolError,
    )
    from omnyshell.protocol.messages import (
        SessionDetached as SessionDetached,
    )
    from omnyshell.protocol.messages import (
        SessionDetachRequest as SessionDetachRequest,
    )
    from omnyshell.protocol.messages import (
        SessionOpen as SessionOpen,
    )
    from omnyshell.protocol.messages import (
        SessionOpened as SessionOpened,
    )
    from omnyshell.protocol.messages import (
        SessionRejected as SessionRejected,
    )
    from omnyshell.protocol.messages import (
        SessionScreenRequest as SessionScreenRequest,
    )
    from omnyshell.protocol.messages import (
        SessionScreenResponse as SessionScreenResponse,
    )
    from omnyshell.protocol.messages import (
        TunnelCloseRequest as TunnelCloseRequest,
    )
    from omnyshell.protocol.messages import (
        TunnelCloseResponse as TunnelCloseResponse,
    )
    from omnyshell.protocol.messages import (
        TunnelListRequest as TunnelListRequest,
    )
    from omnyshell.protocol.messages import (
        TunnelListResponse as TunnelListResponse,
    )
    from omnyshell.protocol.messages import (
        TunnelOpened as TunnelOpened,
    )
    from omnyshell.protocol.messages import (
        TunnelOpenRequest as TunnelOpenRequest,
    )
    from omnyshell.protocol.messages import (
        TunnelRejected as TunnelRejected,
    )
    from omnyshell.protocol.version import (
        MIN_PROTOCOL_VERSION as MIN_PROTOCOL_VERSION,
    )
    from omnyshell.protocol.version import (
        PROTOCOL_VERSION as PROTOCOL_VERSION,
    )
    from omnyshell.protocol.version import (
        is_protocol_compatible as is_protocol_compatible,
    )
    from omnyshell.security.authenticators import (
        Authenticator as Authenticator,
    )
    from omnyshell.security.authenticators import (
        CompositeAuthenticator as CompositeAuthenticator,
    )
    from omnyshell.security.authenticators import (
        PublicKeyAuthenticator as PublicKeyAuthenticator,
    )
    from omnyshell.security.authenticators import (
        TokenAuthenticator as TokenAuthenticator,
    )
    from omnyshell.security.authenticators import (
        TokenGrant as TokenGrant,
    )
    from omnyshell.security.authorized_keys import (
        AuthorizedKey as AuthorizedKey,
    )
    from omnyshell.security.authorized_keys import (
        AuthorizedKeysStore as AuthorizedKeysStore,
    )
    from omnyshell.security.authorizer import (
        Authorizer as Authorizer,
    )
    from omnyshell.security.authorizer import (
        RoleBasedAuthorizer as RoleBasedAuthorizer,
    )
    from omnyshell.security.cert_generator import (
        CertGenerator as CertGenerator,
    )
    from omnyshell.security.cert_generator import (
        GeneratedCertificates as GeneratedCertificates,
    )
    from omnyshell.security.certificates import (
        CertificateIdentity as CertificateIdentity,
    )
    from omnyshell.security.credentials import (
        Credential as Credential,
    )
    from omnyshell.security.credentials import (
        CredentialProvider as CredentialProvider,
    )
    from omnyshell.security.credentials import (
        PublicKeyCredential as PublicKeyCredential,
    )
    from omnyshell.security.credentials import (
        PublicKeyCredentialProvider as PublicKeyCredentialProvider,
    )
    from omnyshell.security.credentials import (
        TokenCredential as TokenCredential,
    )
    from omnyshell.security.credentials import (
        TokenCredentialProvider as TokenCredentialProvider,
    )
    from omnyshell.security.identity import (
        OmnyUid as OmnyUid,
    )
    from omnyshell.security.identity import (
        UidComputer as UidComputer,
    )
    from omnyshell.security.keys import (
        Ed25519PrivateKey as Ed25519PrivateKey,
    )
    from omnyshell.security.keys import (
        Ed25519PublicKey as Ed25519PublicKey,
    )
    from omnyshell.security.login_limit import (
        LoginLimit as LoginLimit,
    )
    from omnyshell.security.machine import (
        MachineId as MachineId,
    )
    from omnyshell.security.uid_store import (
        UidResolution as UidResolution,
    )
    from omnyshell.security.uid_store import (
        UidStore as UidStore,
    )
    from omnyshell.services.client.client import (
        ExecResult as ExecResult,
    )
    from omnyshell.services.client.client import (
        OmnyShellClient as OmnyShellClient,
    )
    from omnyshell.services.client.config import (
        ClientConfig as ClientConfig,
    )
    from omnyshell.services.client.login_store import (
        CredentialStore as CredentialStore,
    )
    from omnyshell.services.client.login_store import (
        StoredSession as StoredSession,
    )
    from omnyshell.services.client.node_sessions import (
        SessionScreen as SessionScreen,
    )
    from omnyshell.services.client.session import (
        ExitStatus as ExitStatus,
    )
    from omnyshell.services.client.session import (
        OutputChunk as OutputChunk,
    )
    from omnyshell.services.client.session import (
        RemoteSession as RemoteSession,
    )
    from omnyshell.services.client.states import (
        LinkState as LinkState,
    )
    from omnyshell.services.dial import (
        HubAccess as HubAccess,
    )
    from omnyshell.services.hub.audit import (
        AuditLog as AuditLog,
    )
    from omnyshell.services.hub.broker import (
        HubBroker as HubBroker,
    )
    from omnyshell.services.hub.config import (
        HubConfig as HubConfig,
    )
    from omnyshell.services.hub.heartbeat import (
        HeartbeatMonitor as HeartbeatMonitor,
    )
    from omnyshell.services.hub.hub import (
        OmnyShellHub as OmnyShellHub,
    )
    from omnyshell.services.hub.registry import (
        NodeRegistry as NodeRegistry,
    )
    from omnyshell.services.hub.registry import (
        RegisteredNode as RegisteredNode,
    )
    from omnyshell.services.hub.router import (
        Session as Session,
    )
    from omnyshell.services.hub.router import (
        SessionRoute as SessionRoute,
    )
    from omnyshell.services.hub.router import (
        SessionRouter as SessionRouter,
    )
    from omnyshell.services.hub.tunnels import (
        TunnelRegistration as TunnelRegistration,
    )
    from omnyshell.services.hub.tunnels import (
        TunnelRegistry as TunnelRegistry,
    )
    from omnyshell.services.node.backend import (
        ShellBackend as ShellBackend,
    )
    from omnyshell.services.node.backend import (
        ShellRequest as ShellRequest,
    )
    from omnyshell.services.node.backend import (
        ShellSession as ShellSession,
    )
    from omnyshell.services.node.config import (
        NodeConfig as NodeConfig,
    )
    from omnyshell.services.node.keeping import (
        Keeping as Keeping,
    )
    from omnyshell.services.node.node import (
        OmnyShellNode as OmnyShellNode,
    )
    from omnyshell.transport.channels import (
        Channel as Channel,
    )
    from omnyshell.transport.channels import (
        ChannelMultiplexer as ChannelMultiplexer,
    )
    from omnyshell.transport.connection import (
        HubAddress as HubAddress,
    )
    from omnyshell.transport.connection import (
        OmnyShellConnection as OmnyShellConnection,
    )
    from omnyshell.transport.endpoint import (
        EndpointLimits as EndpointLimits,
    )
    from omnyshell.transport.endpoint import (
        OnConnection as OnConnection,
    )
    from omnyshell.transport.endpoint import (
        WsServerEndpoint as WsServerEndpoint,
    )
    from omnyshell.transport.keepalive import (
        KeepaliveTimes as KeepaliveTimes,
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
    "omnyshell.model.nodes": "NodeCapabilities NodeDescriptor PlatformInfo",
    "omnyshell.model.principals": "Principal",
    "omnyshell.model.sessions": "CloseReason DetachedSessionInfo PtySpec SessionMode SessionState ShellFamily",
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
        "Authenticator CompositeAuthenticator PublicKeyAuthenticator TokenAuthenticator TokenGrant"
    ),
    "omnyshell.security.authorized_keys": "AuthorizedKey AuthorizedKeysStore",
    "omnyshell.security.authorizer": "Authorizer RoleBasedAuthorizer",
    "omnyshell.security.cert_generator": "CertGenerator GeneratedCertificates",
    "omnyshell.security.certificates": "CertificateIdentity",
    "omnyshell.security.credentials": (
        "Credential CredentialProvider PublicKeyCredential PublicKeyCredentialProvider TokenCredential "
        "TokenCredentialProvider"
    ),
    "omnyshell.security.identity": "OmnyUid UidComputer",
    "omnyshell.security.keys": "Ed25519PrivateKey Ed25519PublicKey",
    "omnyshell.security.login_limit": "LoginLimit",
    "omnyshell.security.machine": "MachineId",
    "omnyshell.security.uid_store": "UidResolution UidStore",
    "omnyshell.services.client.client": "ExecResult OmnyShellClient",
    "omnyshell.services.client.config": "ClientConfig",
    "omnyshell.services.client.login_store": "CredentialStore StoredSession",
    "omnyshell.services.client.node_sessions": "SessionScreen",
    "omnyshell.services.client.session": "ExitStatus OutputChunk RemoteSession",
    "omnyshell.services.client.states": "LinkState",
    "omnyshell.services.dial": "HubAccess",
    "omnyshell.services.hub.audit": "AuditLog",
    "omnyshell.services.hub.broker": "HubBroker",
    "omnyshell.services.hub.config": "HubConfig",
    "omnyshell.services.hub.heartbeat": "HeartbeatMonitor",
    "omnyshell.services.hub.hub": "OmnyShellHub",
    "omnyshell.services.hub.registry": "NodeRegistry RegisteredNode",
    "omnyshell.services.hub.router": "Session SessionRoute SessionRouter",
    "omnyshell.services.hub.tunnels": "TunnelRegistration TunnelRegistry",
    "omnyshell.services.node.backend": "ShellBackend ShellRequest ShellSession",
    "omnyshell.services.node.config": "NodeConfig",
    "omnyshell.services.node.keeping": "Keeping",
    "omnyshell.services.node.node": "OmnyShellNode",
    "omnyshell.transport.channels": "Channel ChannelMultiplexer",
    "omnyshell.transport.connection": "HubAddress OmnyShellConnection",
    "omnyshell.transport.endpoint": "EndpointLimits OnConnection WsServerEndpoint",
    "omnyshell.transport.keepalive": "KeepaliveTimes",
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
