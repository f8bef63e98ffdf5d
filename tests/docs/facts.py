"""What the code has that the documentation must name, found by reading the code."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from tests.docs.reading import ROOT

PACKAGES = ("archive", "jobs", "imports", "exports", "maintenance", "browse", "claudelens_site")
DJANGO_OPTIONS = set(BaseCommand().create_parser("manage.py", "any")._option_string_actions)


@cache
def sources() -> dict[Path, str]:
    """Every module of ours with its text, read once."""
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {path: path.read_text() for path in found if "migrations" not in path.parts}


@cache
def modules() -> tuple[tuple[Path, ast.Module], ...]:
    """Every module of ours, parsed once."""
    return tuple((path, ast.parse(text)) for path, text in sources().items())


def commands() -> set[str]:
    """Every management command of our own."""
    found = {path.stem for package in PACKAGES for path in (ROOT / package).glob("management/commands/*.py")}
    return found - {"__init__"}


def options(command: str) -> set[str]:
    """The options of a command that are its own, not Django's."""
    parser = load_command_class(get_commands()[command], command).create_parser("manage.py", command)
    own = [action for action in parser._actions if not DJANGO_OPTIONS & set(action.option_strings)]
    return {option for action in own for option in action.option_strings if option.startswith("--")}


def is_idle(name: str) -> bool:
    """Whether a setting is read from the environment and then nothing goes by it."""
    inside = (ROOT / "claudelens_site/settings.py").read_text()
    if inside.count(name) != 2:  # used where it is read, or in another setting
        return False
    others = [text for path, text in sources().items() if path.name not in {"settings.py", "checks.py"}]
    short = name.removeprefix("CLAUDELENS_JOB_")
    return not any(name in body or f'setting("{short}"' in body for body in others)


def variables() -> dict[str, object]:
    """Every environment variable that the code reads, with its default where that is a plain value."""
    found: dict[str, object] = {}
    for _, tree in modules():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if not isinstance(call.func, ast.Attribute) or not call.args:
                continue
            name = call.args[0]
            owner = ast.unparse(call.func.value)
            if owner in {"env", "os.environ"} and isinstance(name, ast.Constant) and isinstance(name.value, str):
                default = call.args[1] if len(call.args) > 1 else None
                found.setdefault(name.value, _plain(default))
    found.pop("DJANGO_SETTINGS_MODULE")
    return found


def _plain(node: ast.expr | None) -> object:
    """The value of a constant, or of a sum or product of constants."""
    if node is None or any(not isinstance(each, ast.Constant | ast.BinOp | ast.operator) for each in ast.walk(node)):
        return None
    return eval(compile(ast.Expression(node), "default", "eval"))


def error_codes() -> dict[str, str]:
    """Every code that a refusal, a problem or a job's error can have, and where it comes from."""
    found: dict[str, str] = {}
    for path, tree in modules():
        for node in ast.walk(tree):
            for value in (*_keywords(node), *_class_attributes(node), *_entries(node)):
                if re.fullmatch(r"[a-z0-9_]+", value):
                    found[value] = path.relative_to(ROOT).as_posix()
    return found


def _keywords(node: ast.AST) -> Iterator[str]:
    """``code="…"`` in a call."""
    if isinstance(node, ast.Call):
        yield from (_text(keyword.value) for keyword in node.keywords if keyword.arg == "code")


def _class_attributes(node: ast.AST) -> Iterator[str]:
    """``code = "…"`` in a class."""
    if isinstance(node, ast.ClassDef):
        for line in node.body:
            if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) in {"code", "default_code"}:
                yield _text(line.value)


def _entries(node: ast.AST) -> Iterator[str]:
    """``{"code": "…"}`` in a dictionary."""
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None and _text(key) in {"code", "error_code"}:
                yield _text(value)


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def check_ids() -> set[str]:
    """The ids of the system checks."""
    numbers = re.findall(r"\b([EW]0\d\d)\b", (ROOT / "claudelens_site/checks.py").read_text())
    return {f"claudelens.{number}" for number in numbers}


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def modules_with_doctests() -> list[str]:
    """The dotted names of the modules that show what they do."""
    return [
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        for path, text in sources().items()
        if ">>> " in text
    ]
