"""`omnyshell service`: installs, shows and removes services, with the service manager of this system."""

import argparse
import sys

from omnyshell.cli.service import launchd, systemd
from omnyshell.cli.service.plan import Kind, Manager, plan_from
from omnyshell.errors import ConfigException

_MANAGER: Manager = launchd if sys.platform == "darwin" else systemd


def install(options: argparse.Namespace) -> int:
    """Install a service, or only print what would be written."""
    plan = plan_from(options)
    if options.dry_run:
        _MANAGER.show(plan)
        return 0
    _MANAGER.install(plan)
    return 0


def uninstall(options: argparse.Namespace) -> int:
    """Remove a service."""
    return _MANAGER.uninstall(Kind(options.kind), is_users=options.user)


def status(options: argparse.Namespace) -> int:
    """Print how a service is."""
    return _MANAGER.status(Kind(options.kind), is_users=options.user)


def logs(options: argparse.Namespace) -> int:
    """Print what a service logged."""
    if options.lines < 0:
        raise ConfigException(f"--lines {options.lines}: must be at least 0")
    return _MANAGER.logs(Kind(options.kind), is_users=options.user, follow=options.follow, count=options.lines)
