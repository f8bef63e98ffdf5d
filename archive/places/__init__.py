"""Where messages lie outside hot: a module for each tier."""

from archive.partitions import Tier
from archive.places.base import Place
from archive.places.cold import Cold
from archive.places.frozen import Frozen
from archive.places.warm import Warm

_WARM, _COLD, _FROZEN = Warm(), Cold(), Frozen()
PLACES: dict[Tier, Place] = {Tier.WARM: _WARM, Tier.COLD: _COLD, Tier.FROZEN: _FROZEN}


def place_of(tier: Tier) -> Place:
    """The place of a tier. Hot is none: nothing lies there in batches."""
    return PLACES[tier]
