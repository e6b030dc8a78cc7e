"""Tar files that depend on their members alone: no time, user or machine in the headers."""

import io
import tarfile
from typing import BinaryIO


def create(file: BinaryIO) -> tarfile.TarFile:
    """A tar to write into an open binary file; the caller closes both."""
    return tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # time and ids 0, no names of user and group, mode 644
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
