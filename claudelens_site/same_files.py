"""Are two folders the same, byte by byte?"""

from filecmp import cmp
from pathlib import Path


def differences(one: Path, other: Path) -> list[str]:
    """A line for every file that is missing on one side or differs; empty when all is the same."""
    left, right = _files(one), _files(other)
    return [
        *(f"missing: {name}" for name in sorted(left - right)),
        *(f"unexpected: {name}" for name in sorted(right - left)),
        *(
            f"different: {name}"
            for name in sorted(left & right)
            if not cmp(one / name, other / name, shallow=False)
        ),
    ]


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
