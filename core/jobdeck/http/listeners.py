"""Closes a listening socket so that no client that has connected is reset."""

from __future__ import annotations

import socket
import struct
import sys
from contextlib import suppress

_SO_ATTACH_FILTER = 26
"""`SO_ATTACH_FILTER` of Linux, which Python does not name."""
_FLAGS, _SYN, _ACK = 13, 0x02, 0x10
"""The place of the flags in a TCP header, and those of a packet that requests a connection: SYN without ACK."""
_INSTRUCTION = struct.Struct("=HBBI")
# Classic BPF, see `linux/bpf_common.h`: load the flags, keep SYN and ACK of them, drop the packet if SYN alone is set.
_DROP_REQUESTS = b"".join(
    _INSTRUCTION.pack(*each)
    for each in (
        (0x30, 0, 0, _FLAGS),  # A = flags
        (0x54, 0, 0, _SYN | _ACK),  # A &= SYN | ACK
        (0x15, 0, 1, _SYN),  # if A == SYN: the next one, otherwise the one after it
        (0x06, 0, 0, 0),  # drop the packet
        (0x06, 0, 0, 0xFFFFFFFF),  # keep it
    )
)


def refuse_new(listener: socket.socket) -> None:
    """Let nobody connect any more; who has connected can still be accepted.

    Without it, the system resets who connects between the last `accept` and the close. New clients of a Unix socket are refused
    at once; requests of TCP connections are not answered, until the socket is closed and their repetition is refused. Does
    nothing for TCP on systems other than Linux.
    """
    with suppress(OSError):
        if listener.family == socket.AF_UNIX:
            listener.shutdown(socket.SHUT_RD)
        elif sys.platform == "linux":
            import ctypes

            program = ctypes.create_string_buffer(_DROP_REQUESTS, len(_DROP_REQUESTS))
            count = len(_DROP_REQUESTS) // _INSTRUCTION.size
            # `struct sock_fprog`, which the system copies
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", count, ctypes.addressof(program)))
