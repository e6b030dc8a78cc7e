"""Where a Spark cluster is: which addresses there are, and whether a standalone master answers at one.

Spark itself waits for a minute for a master, and takes any socket that is open for one.
"""

import re
import socket
import struct

from schemas.cli.flags import UsageError

ALLOWED = "spark://HOST:PORT, local[N], local[*], yarn, k8s://ADDRESS"
_LOCAL = re.compile(r"local(\[(\d+|\*)(, ?\d+)?\])?")
_CONNECT, _ANSWER = 3.0, 10.0  # seconds; a master just started answers after one or two
_STREAM_REQUEST, _STREAM_RESPONSE, _STREAM_FAILURE = 6, 7, 8  # org.apache.spark.network.protocol.Message.Type
_HEAD = struct.Struct(">qb")  # of each frame: its length with this head, its type


def check(master: str) -> None:
    """Raises UsageError for what is no master's address, and where no standalone master answers."""
    if _LOCAL.fullmatch(master) or master == "yarn" or master.startswith("k8s://"):
        return
    scheme, _, addresses = master.partition("://")
    places = [address.rpartition(":") for address in addresses.split(",")]
    if scheme != "spark" or not all(host and _is_port(port) for host, _, port in places):
        raise UsageError(f"--spark_master {master!r}; allowed are {ALLOWED}")
    reasons = [_silence(host.strip("[]"), int(port)) for host, _, port in places]
    if all(reasons):
        raise UsageError(f"--spark_master {master!r}: {reasons[0]}; allowed is the address of a running master")


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 65536


def _silence(host: str, port: int) -> str:
    """Why nobody there counts as a master; "" where one answers as Spark does, to a question for a file it hasn't."""
    name = b"/files/vton"
    question = _HEAD.pack(_HEAD.size + 4 + len(name), _STREAM_REQUEST) + struct.pack(">i", len(name)) + name
    try:
        with socket.create_connection((host, port), timeout=_CONNECT) as connection:
            connection.settimeout(_ANSWER)
            connection.sendall(question)
            head = connection.recv(_HEAD.size, socket.MSG_WAITALL)
    except OSError as error:
        return f"no Spark master answers ({error.strerror or error})"
    if len(head) == _HEAD.size and _HEAD.unpack(head)[1] in (_STREAM_RESPONSE, _STREAM_FAILURE):
        return ""
    return "what answers there is no Spark master"
