"""Which JPEG files are so plain that every decoder reads the same from them: told from their markers alone."""

import re

_START, _END = b"\xff\xd8", b"\xff\xd9"
_APPLICATION, _COMMENT = 0xE0, 0xFE  # JFIF's segment; no EXIF, profile, Adobe's colours, or further pictures
_TABLES = (0xDB, 0xC4)  # quantisation, Huffman
_BASELINE, _SCAN = 0xC0, 0xDA
_FRAME, _SCAN_OF_THREE = 15, 10  # bytes that the two hold for three components
# Three components, 1, 2 and 3 (Y, Cb, Cr), brightness sampled 1×1, 2×1 or 2×2, colours 1×1.
_COMPONENTS = re.compile(rb"\x03\x01[\x11\x21\x22].\x02\x11.\x03\x11.", re.DOTALL)
_MARKER = re.compile(rb"\xff[^\x00]")  # in a scan, 255 is followed by 0


def is_plain(data: bytes) -> bool:
    """One baseline scan of 8-bit Y, Cb, Cr to the very end of the file, JFIF's header, and nothing to turn or convert.

    Damage within the scan isn't seen here.
    """
    if not (data.startswith(_START) and data.endswith(_END)):
        return False
    at, frames = len(_START), 0
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        content = data[at + 4 : at + 2 + length]
        at += 2 + length
        if kind == _SCAN:
            scan = _MARKER.search(data, at)
            whole = scan is not None and scan.start() == len(data) - len(_END)
            return frames == 1 and len(content) == _SCAN_OF_THREE and whole
        if kind == _BASELINE:
            frames += 1
            plain = len(content) == _FRAME and content[0] == 8 and bool(_COMPONENTS.fullmatch(content[5:]))
        elif kind == _APPLICATION:
            plain = content.startswith(b"JFIF\0")
        else:
            plain = kind in (*_TABLES, _COMMENT)
        if not plain:
            return False
    return False
