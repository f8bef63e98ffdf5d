"""Where frozen messages are kept: objects with names, in a folder of this server or wherever it is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Protocol

from archive.errors import NotFound, OutOfSpace, Unavailable

NO_SPACE = 28


class ObjectStore(Protocol):
    """Keeps bytes under names with slashes. An object is there whole or not at all."""

    def write(self, name: str, data: bytes) -> None:
        """Keep the bytes, in place of what was there. Raises an ``ArchiveError`` where that fails."""

    def read(self, name: str) -> bytes:
        """The bytes of that name. Raises ``NotFound``, ``Unavailable``."""

    def delete(self, name: str) -> None:
        """Forget that name. Idempotent."""

    def exists(self, name: str) -> bool:
        """Whether there is something under that name."""

    def list(self, folder: str) -> Iterator[str]:
        """Every name below a folder, in order."""


class FolderStore:
    """Objects as files of a folder. Written beside, synced and renamed: a name is whole or not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, data: bytes) -> None:
        """Keep the bytes. Raises ``OutOfSpace``, ``Unavailable``."""
        path = self.folder / name
        part = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            _sync(path.parent)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise _refused(error, name) from error

    def read(self, name: str) -> bytes:
        """The bytes of that name. Raises ``NotFound``, ``Unavailable``."""
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError as missing:
            raise NotFound(f"There is no object {name}.", code="object_missing") from missing
        except OSError as error:
            raise _refused(error, name) from error

    def delete(self, name: str) -> None:
        """Forget that name. Idempotent. Raises ``Unavailable``."""
        try:
            (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise _refused(error, name) from error

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self.folder / name).is_file()

    def list(self, folder: str) -> Iterator[str]:
        """Every name below a folder, in order."""
        for path in sorted((self.folder / folder).rglob("*")):
            if path.is_file() and path.suffix != ".part":
                yield path.relative_to(self.folder).as_posix()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refused(error: OSError, name: str) -> OutOfSpace | Unavailable:
    if error.errno == NO_SPACE:
        return OutOfSpace("The disk of the frozen messages is full.", hint="Free space, then run it again.")
    return Unavailable(f"The object {name} cannot be reached: {error.strerror}.", hint="The job tries again.")


class _Choice:
    """The store of this process, opened when it is first asked for."""

    open: Callable[[], ObjectStore] | None = None
    store: ObjectStore | None = None


_choice = _Choice()


def configure(opening: Callable[[], ObjectStore]) -> None:
    """Say how to open the place where frozen messages are kept from here on."""
    _choice.open, _choice.store = opening, None


def opening_name() -> str:
    """What another process has to be told to open the same: ``module:function``; "" where nobody said how."""
    opening = _choice.open
    return "" if opening is None else f"{opening.__module__}:{opening.__qualname__}"


def configure_by_name(name: str) -> None:
    """The same as ``configure`` with the function of that name, looked for when a store is asked for."""
    if not name:
        return

    def open_named() -> ObjectStore:
        module, _, function = name.partition(":")
        opened: ObjectStore = getattr(import_module(module), function)()
        return opened

    configure(open_named)


def store() -> ObjectStore:
    """Where they are kept. Raises ``Unavailable`` where nobody said so, and what opening it raises."""
    if _choice.store is None:
        if _choice.open is None:
            raise Unavailable("No object store is configured.", hint="Set CLAUDELENS_FROZEN_URL.")
        _choice.store = _choice.open()
    return _choice.store
