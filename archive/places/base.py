"""What a place is: it keeps batches of messages, each under a mark, and gives the exact documents back."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession

from archive.connection import Document
from archive.errors import Unavailable
from archive.journal import Documents, TierBatch
from archive.partitions import Tier

RAW = CodecOptions(document_class=RawBSONDocument, tz_aware=True)
DECODED: CodecOptions[Document] = CodecOptions(tz_aware=True)


class CopyDiffers(Unavailable):
    """What was read back is not what was written: nothing of the source was touched."""

    code = "copy_differs"


class Place(Protocol):
    """All of it is idempotent. Nothing of it decides: what counts is what the journal says."""

    tier: Tier

    def partition(self, month: str) -> str:
        """The partition that messages of this month lie in."""

    def object_name(self, month: str, mark: str) -> str:
        """The stored object of a batch; "" where there is none."""

    def prepare(self, month: str) -> None:
        """Make what will hold messages of this month; nothing is created by itself."""

    def write(self, batch: TierBatch, mark: str, documents: Documents) -> int:
        """Keep the documents of the batch, whose ``partition`` is where they go, under the mark; how many
        bytes that takes outside of the database."""

    def read(self, batch: TierBatch, ids: Sequence[bytes] | None = None) -> Iterator[RawBSONDocument]:
        """The exact documents under the batch's mark, in any order. ``ids`` are theirs where the archive has
        no keys of them yet."""

    def fetch(
        self, session: ClientSession, batches: Sequence[TierBatch], ids: Sequence[bytes]
    ) -> Iterator[Document]:
        """Those of these messages that lie in these batches as ``session`` sees them, in any order."""

    def remove(self, batch: TierBatch, ids: Iterable[bytes] | None = None) -> None:
        """Remove what lies under the batch's mark."""
