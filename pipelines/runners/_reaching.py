"""Whether an engine can be used, asked before any work: its package is there, and somebody answers."""

import importlib.util
import socket

from schemas.cli.flags import UsageError

PATIENCE = 5.0  # seconds until an address that doesn't answer counts as wrong


def need(runner: str, module: str, extra: str) -> None:
    """Raises UsageError naming the extra that brings the module."""
    try:
        there = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a package above it
        there = False
    if not there:
        raise UsageError(f"--runner {runner} needs the package {module}: `pip install 'vton-pipelines[{extra}]'`")


def answers(flag: str, address: str, default_port: int = 0) -> None:
    """Raises UsageError unless a server takes a connection at `[scheme://]HOST:PORT`, the value of this flag."""
    host, port = _split(flag, address, default_port)
    try:
        socket.create_connection((host, port), PATIENCE).close()
    except OSError as error:
        reason = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        raise UsageError(f"{flag} {address}: {reason}; allowed is the address of a running server") from None


def _split(flag: str, address: str, default_port: int) -> tuple[str, int]:
    bare = address.partition("://")[2] or address
    host, _, port = bare.rstrip("/").rpartition(":")
    if default_port and not port.isdigit():
        host, port = bare.rstrip("/"), str(default_port)
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(f"{flag} {address!r}; allowed is HOST:PORT")
    return host.strip("[]"), int(port)
