"""The secret key of a server that was given none: made once, kept readable by its owner only."""

import os
import secrets
from pathlib import Path


def secret_key_in(data_dir: Path) -> str:
    """The key kept in ``data_dir``, made on the first call.

    Where the folder cannot be written the key lives as long as the process: sign-ins end with it,
    and the system check E001 says why.
    """
    path = data_dir / "secret_key"
    try:
        return path.read_text().strip() or _make(path)
    except FileNotFoundError:
        return _make(path)
    except OSError:
        return secrets.token_urlsafe(50)


def _make(path: Path) -> str:
    key = secrets.token_urlsafe(50)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        draft.touch(mode=0o600)
        draft.write_text(key)
        # link() refuses to replace: of two first starts at once, one key wins for both.
        _publish(draft, path)
    except OSError:
        return key
    return path.read_text().strip()


def _publish(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
