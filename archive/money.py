"""Money: picodollars (1e-12 USD, whole) in code, ``Decimal128`` in MongoDB, ``Decimal`` for people.

A price list's rates are whole numbers of picodollars a token, so sums are exact and cheap.
"""

from decimal import Decimal

from bson.decimal128 import Decimal128

EXPONENT = -12
# Decimal128 is a sign, an exponent (biased by 6176) and a whole number of 113 bits (IEEE 754-2008, BID).
_EXPONENT_BITS = (EXPONENT + 6176) << 113
_SIGN_BIT = 1 << 127
_COEFFICIENT = (1 << 113) - 1


def to_decimal128(picodollars: int) -> Decimal128:
    """The amount as BSON holds it.

    >>> str(to_decimal128(6_375_000_000))
    '0.006375000000'
    """
    bits = _EXPONENT_BITS | abs(picodollars) | (_SIGN_BIT if picodollars < 0 else 0)
    return Decimal128.from_bid(bits.to_bytes(16, "little"))


def from_decimal128(amount: Decimal128 | None) -> int:
    """Picodollars of a stored amount; 0 for none."""
    if amount is None:
        return 0
    bits = int.from_bytes(amount.bid, "little")
    if bits >> 113 == _EXPONENT_BITS >> 113:  # one of ours, and not negative
        return bits & _COEFFICIENT
    return int(amount.to_decimal().scaleb(-EXPONENT))


def to_decimal(picodollars: int) -> Decimal:
    """The amount in US dollars."""
    return Decimal(picodollars).scaleb(EXPONENT)


def from_dollars(amount: float | Decimal) -> int:
    """Picodollars of an amount as JSON tells it, by its decimal digits."""
    return int(Decimal(str(amount)).scaleb(-EXPONENT))
