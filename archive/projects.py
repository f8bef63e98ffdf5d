"""Projects: the folders that conversations were held in. Pure."""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

from bson.objectid import ObjectId


@dataclass(frozen=True, slots=True)
class Project:
    """A project as its files tell of it: its slug (Claude Code's folder name) and, once known, its path."""

    slug: str
    path: str = ""

    @property
    def id(self) -> ObjectId:
        return project_id(self.slug)

    @property
    def name(self) -> str:
        return (self.path or self.slug).rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1] or self.slug


def slug_of(path: str) -> str:
    """The folder name that Claude Code gives a working directory: every other character becomes "-".

    >>> slug_of("/home/ada/web.shop")
    '-home-ada-web-shop'
    """
    return re.sub(r"[^A-Za-z0-9]", "-", path)


@lru_cache(maxsize=4096)
def project_id(slug: str) -> ObjectId:
    """The project's id: a function of its slug, so that every import finds the same one without looking."""
    return ObjectId(hashlib.sha256(slug.encode("utf-8", "replace")).digest()[:12])
