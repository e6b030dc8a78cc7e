"""Memory that was freed stays with the process, for what picture after picture needs anew."""

import ctypes
import sys

# glibc's numbers for what `mallopt` sets, from its malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = 256 << 20  # bytes, unused at the end of the heap
_LARGEST_IN_HEAP = 32 << 20  # bytes of one piece; glibc allows no more


def keep_freed() -> None:
    """Of glibc; elsewhere nothing happens.

    By default a few freed pictures go back to the kernel at once, and every page of the next one is cleared and mapped
    again: a third of what checking a record took.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another library than glibc
        return
    set_option(_MMAP_THRESHOLD, _LARGEST_IN_HEAP)
    set_option(_TRIM_THRESHOLD, _KEPT)
