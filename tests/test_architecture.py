"""The rules of the house, held by reading the code and never by running it."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("archive", "jobs", "imports", "exports", "maintenance", "browse", "claudelens_site")
APPS = {"imports", "exports", "maintenance", "browse"}
PURE = (
    "imports/readers/", "imports/normalise", "exports/renderers/", "exports/filters", "exports/periods", "exports/reading",
    "exports/calendar", "exports/redaction", "exports/patterns", "exports/masked_files", "exports/omissions", "exports/shaping",
)  # fmt: skip
IMPURE_MODULES = {"django", "pymongo", "celery", "channels", "rest_framework", "redis", "socket", "urllib.request", "http.client"}
MAX_FUNCTION_LINES, MAX_MODULE_LINES, MAX_ARGUMENTS = 40, 400, 6
MEDIAN_FUNCTION_LINES, P90_FUNCTION_LINES = 8, 30


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the product: its path from the root, and its tree."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


MODULES = dict(modules())


def imports_of(tree: ast.Module) -> Iterator[str]:
    """The dotted name of everything that the module imports, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def functions_of(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of code: without decorators and docstring, which promise and do not do."""
    first = function.body[0]
    doc = 0
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        doc = first.end_lineno - first.lineno + 1
    return function.end_lineno - function.lineno + 1 - doc


def within(name: str, *allowed: str) -> bool:
    return any(name == one or name.startswith(one + ".") for one in allowed)


def room(path: str) -> str:
    """The file's name within its app: ``api.py``, ``tasks.py``, …"""
    return path.rpartition("/")[2]


def offences(is_offence) -> list[str]:
    return [f"{path} imports {name}" for path, tree in MODULES.items() for name in imports_of(tree) if is_offence(path, name)]


def test_nothing_imports_the_site():
    assert not offences(lambda path, name: within(name, "claudelens_site") and not path.startswith("claudelens_site/"))


def test_the_apps_do_not_import_each_other():
    def is_offence(path, name):
        mine, other = path.split("/")[0], name.split(".")[0]
        return mine in APPS and other in APPS and mine != other

    assert not offences(is_offence)


def test_jobs_knows_no_app_and_of_the_archive_only_its_errors():
    def is_offence(path, name):
        of_archive = within(name, "archive") and not within(name, "archive.errors")
        return path.startswith("jobs/") and (within(name, *APPS) or of_archive)

    assert not offences(is_offence)


def test_the_archive_knows_no_framework_and_no_app():
    framework = ("django", "rest_framework", "celery", "channels", "jobs", *APPS)
    assert not offences(lambda path, name: path.startswith("archive/") and within(name, *framework))


def test_mongodb_is_spoken_only_in_the_archive():
    assert not offences(lambda path, name: within(name, "pymongo", "bson") and not path.startswith("archive/"))


def test_each_framework_stays_in_its_rooms():
    def is_offence(path, name):
        if path.startswith("claudelens_site/"):
            return False
        if within(name, "rest_framework", "drf_spectacular"):
            return room(path) not in {"api.py", "serializers.py"} and not path.endswith("urls.py")
        if within(name, "celery"):
            return room(path) != "tasks.py" and path != "jobs/runner.py"
        if within(name, "channels"):
            return path not in {"jobs/progress.py", "jobs/consumers.py"}
        return False

    assert not offences(is_offence)


def test_pure_modules_do_no_input_or_output():
    assert not offences(lambda path, name: path.startswith(PURE) and within(name, *IMPURE_MODULES, "jobs"))


def test_services_know_neither_requests_nor_serializers():
    forbidden = ("django.http", "django.shortcuts", "rest_framework", "django.views")
    assert not offences(lambda path, name: room(path) == "services.py" and within(name, *forbidden))


def is_broad(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    named = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(one, ast.Name) and one.id in {"Exception", "BaseException"} for one in named)


def test_there_is_exactly_one_broad_except():
    broad = [
        path
        for path, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and is_broad(node)
    ]
    assert broad == ["jobs/runner.py"]


def test_nothing_prints_to_a_place_it_was_not_given():
    printing = [
        f"{path}:{node.lineno}"
        for path, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        and "file" not in {keyword.arg for keyword in node.keywords}
    ]
    assert not printing


@pytest.mark.parametrize("path", MODULES)
def test_module_is_small(path):
    lines = len((ROOT / path).read_text().splitlines())
    assert lines <= MAX_MODULE_LINES, f"{path} has {lines} lines"


@pytest.mark.parametrize("path", MODULES)
def test_functions_are_small_and_annotated(path):
    for function in functions_of(MODULES[path]):
        where = f"{path}:{function.lineno} {function.name}"
        assert lines_of(function) <= MAX_FUNCTION_LINES, f"{where} has {lines_of(function)} lines"
        names = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        own = [one for one in names if one.arg not in {"self", "cls"}]
        assert len(own) <= MAX_ARGUMENTS, f"{where} has {len(own)} arguments"
        assert function.returns is not None, f"{where} does not say what it returns"


def test_functions_are_small_on_the_whole():
    sizes = sorted(lines_of(function) for tree in MODULES.values() for function in functions_of(tree))
    assert statistics.median(sizes) <= MEDIAN_FUNCTION_LINES
    assert sizes[int(len(sizes) * 0.9)] <= P90_FUNCTION_LINES


@pytest.mark.parametrize("path", [path for path in MODULES if room(path) != "__init__.py"])
def test_every_module_says_what_it_is_for(path):
    assert ast.get_docstring(MODULES[path]), path


def test_every_command_is_tried_by_a_test():
    commands = [path for path in MODULES if "/management/commands/" in path and room(path) != "__init__.py"]
    tried = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert not [path for path in commands if f'"{Path(path).stem}"' not in tried]
