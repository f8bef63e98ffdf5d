"""What there is, is documented; and what is documented, is there."""

import doctest
import importlib
import re
import tomllib

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import get_commands
from drf_spectacular.generators import SchemaGenerator

from archive import errors
from archive.collections import SPECS
from claudelens_site import problems
from exports.filters import FIELDS
from exports.renderers import RENDERERS, tables
from imports.options import USER_OPTIONS
from imports.readers.lines import HINTS
from jobs.routing import websocket_urlpatterns
from jobs.states import ACTIVE, EXIT_CODES, EXIT_TRY_AGAIN, RETRYABLE, JobState
from tests.docs import facts, reading
from tests.docs.reading import PAGES, ROOT, said, table_rows

API = reading.page("docs/api.md")


def missing(wanted, body) -> list[str]:
    """What does not stand in ``body`` as inline code."""
    return sorted(set(wanted) - said(body))


def with_id(path: str) -> str:
    """The path with ``{id}`` for whatever its parameter is called."""
    return re.sub(r"\{\w+\}|<[^>]+>", "{id}", path)


class TestNothingIsLeftOut:
    def test_every_command_has_its_section(self):
        page = ROOT / "docs/commands.md"
        assert facts.commands() <= reading.anchors(page)
        assert not missing(facts.commands(), reading.text(page))

    # The development server's options are Django's and daphne's.
    @pytest.mark.parametrize("name", sorted(facts.commands() - {"runserver"}))
    def test_every_option_of_a_command_is_told(self, name):
        page = reading.page("docs/commands.md")
        section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)[1]
        assert not [option for option in facts.options(name) if option not in section]

    def test_every_setting_is_on_its_page_and_in_the_example(self):
        told = {row[0].strip("`") for row in table_rows(reading.page("docs/settings.md")) if row[0].startswith("`")}
        example = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
        assert told == example
        assert set(facts.variables()) <= told

    def test_the_defaults_are_those_of_the_code(self):
        told = {row[0].strip("`"): row[1] for row in table_rows(reading.page("docs/settings.md")) if row[0].startswith("`")}
        plain = {name: value for name, value in facts.variables().items() if value not in (None, "")}
        wrong = [f"{name}: {told[name]} is {value}" for name, value in plain.items() if f"`{value}`" not in told[name]]
        assert len(plain) > 15
        assert not wrong

    def test_every_setting_of_ours_has_an_effect(self):
        assert not [name for name in facts.variables() if name.startswith("CLAUDELENS_") and facts.is_idle(name)]

    def test_every_endpoint_is_on_the_api_page(self):
        paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
        there = {f"{method.upper()} {with_id(path)}" for path, calls in paths.items() for method in calls}
        assert len(there) > 25
        assert not missing(there, API)
        told = {with_id(each) for each in said(API) if re.match(r"(GET|POST|PATCH|DELETE|PUT) /", each)}
        assert told <= there

    def test_every_websocket_and_other_address_is_told(self):
        sockets = ["/" + with_id(str(pattern.pattern)) for pattern in websocket_urlpatterns]
        assert not missing([*sockets, "/healthz", "/metrics", "/api/schema/", "/api/docs/"], API)

    def test_every_export_format_has_its_section(self):
        page = ROOT / "docs/export-formats.md"
        assert set(RENDERERS) <= reading.anchors(page)
        for body in (reading.text(page), reading.page("README.md"), reading.page("docs/commands.md")):
            assert not missing(RENDERERS, body)

    @pytest.mark.parametrize("rows", tables.TABLES)
    def test_every_column_of_a_table_is_told_as_it_is(self, rows):
        section = reading.page("docs/export-formats.md").partition(f"\nOf `{rows}`:\n")[2].lstrip("\n").partition("\n\n")[0]
        told = [row for row in table_rows(section) if row[0] != "column"]
        own = tables.own_names(rows)
        holds = {tables.TEXT: "text", tables.COUNT: "number", tables.TRUTH: "true or false", tables.BYTES: "bytes", tables.JSON: "JSON"}
        assert told == [
            [f"{'' if each.name in own else '+ '}`{each.name}`", holds.get(each.kind, each.kind), each.says] for each in tables.TABLES[rows]
        ]

    def test_every_filter_is_told(self):
        assert not missing(FIELDS, reading.page("docs/export-formats.md"))

    def test_every_option_of_an_import_is_told(self):
        assert not missing(USER_OPTIONS, API)

    def test_every_state_of_a_job_is_told_with_what_it_allows(self):
        rows = {row[0].strip("`"): row for row in table_rows(reading.page("docs/glossary.md")) if len(row) == 4}
        assert set(JobState.values) <= set(rows)
        assert {state for state in JobState.values if rows[state][2] == "yes"} == set(JobState.values) - set(ACTIVE)
        assert {state for state in JobState.values if "retry" in rows[state][3]} == set(RETRYABLE)

    def test_every_exit_code_is_told(self):
        section = reading.page("docs/commands.md").partition("## Exit codes")[2]
        told = {row[0] for row in table_rows(section)}
        assert {str(code) for code in (*EXIT_CODES.values(), EXIT_TRY_AGAIN)} <= told

    def test_every_error_code_is_told(self):
        codes = facts.error_codes()
        assert {"bad_filter", "offset_conflict", "internal_error", "bomb"} <= set(codes)
        assert not {code: codes[code] for code in missing(codes, reading.everything())}

    def test_every_problem_has_its_status(self):
        told = {(code, row[1]) for row in table_rows(API) if len(row) == 3 for code in re.findall(r"`(\w+)`", row[0])}
        wanted = {(code, str(status)) for status, code in problems.CODES.items()}
        wanted |= {(kind.code, str(status)) for kind, status in problems.STATUS_BY_CLASS}
        assert not wanted - told

    def test_every_kind_of_refusal_has_a_code_that_is_told(self):
        kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ArchiveError)]
        assert not missing([kind.code for kind in kinds], API)

    def test_every_reason_for_a_rejected_record_is_told(self):
        section = reading.page("docs/importing.md").partition("## Rejected records")[2].partition("\n## ")[0]
        assert {row[0].strip("`") for row in table_rows(section)} - {"code"} == {*HINTS, "refused_by_database"}

    def test_every_system_check_is_told(self):
        told = {each for each in said(reading.page("docs/operations.md")) if re.fullmatch(r"claudelens\.[EW]\d+", each)}
        assert told == facts.check_ids()
        assert len(told) > 15

    def test_everything_that_is_stored_is_told(self):
        page = reading.page("docs/architecture.md")
        ours = {model.__name__ for model in apps.get_models() if model.__module__.split(".")[0] in facts.PACKAGES}
        assert not missing({spec.name for spec in SPECS} | ours, page)

    def test_everything_that_runs_by_the_clock_is_told(self):
        tasks = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
        assert not missing(tasks, reading.page("docs/operations.md"))

    def test_every_target_of_make_is_told(self):
        assert not missing({f"make {target}" for target in facts.make_targets()}, reading.page("CONTRIBUTING.md"))

    def test_every_page_can_be_reached_from_the_readme(self):
        linked = {link.path for link in reading.links() if link.page.name == "README.md"}
        assert not [page.name for page in PAGES if page.name != "README.md" and page not in linked]

    def test_the_version_is_the_newest_of_the_changelog(self):
        newest = re.search(r"^## (\d+\.\d+\.\d+)", reading.page("CHANGELOG.md"), re.MULTILINE)[1]
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert project["version"] == newest


class TestNothingIsInvented:
    @pytest.mark.parametrize("link", reading.links(), ids=str)
    def test_a_link_leads_somewhere(self, link):
        assert link.path.exists()
        assert link.path.is_relative_to(ROOT)
        if link.anchor:
            assert link.anchor in reading.anchors(link.path)

    def test_images_are_small(self):
        images = [link.path for link in reading.links() if link.path.suffix == ".png"]
        assert images
        assert all(path.stat().st_size < 300_000 for path in images)

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
    def test_the_commands_of_a_page_exist(self, page):
        code = reading.code(page)
        assert set(re.findall(r"^ *make ([a-z]+)", code, re.MULTILINE)) <= facts.make_targets()
        assert set(re.findall(r"manage\.py ([a-z_]+)", code)) <= set(get_commands())

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
    def test_the_options_of_our_commands_exist(self, page):
        for name, rest in re.findall(r"manage\.py ([a-z_]+)([^\n`#]*)", reading.code(page)):
            if name in facts.commands():
                known = facts.options(name) | {"--verbosity", "--help"}
                assert set(re.findall(r"(--[a-z-]+)", rest)) <= known, f"{name}{rest}"

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
    def test_the_files_and_tests_of_a_page_exist(self, page):
        code = reading.code(page)
        named = set(re.findall(r"(?:TESTS=|\b)((?:tests|archive|jobs|imports|exports|browse|claudelens_site|deploy)/[\w/]+\.\w+)", code))
        assert not [name for name in named if not (ROOT / name).exists()]
        tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
        assert not [name for name in re.findall(r"\b(test_\w+)(?=[\"` ])", code) if f"def {name}(" not in tests]

    @pytest.mark.parametrize("row", [row for row in table_rows(reading.page("docs/guarantees.md")) if row[-1].startswith("`")], ids=lambda row: row[0][:60])
    def test_a_guarantee_names_tests_that_there_are(self, row):
        command = row[-1].strip("`")
        folder = re.search(r"TESTS=(\S+)", command)
        where = ROOT / (folder[1] if folder else "tests")
        files = [where] if where.is_file() else list(where.rglob("test_*.py"))
        names = re.findall(r"def (test_\w+)", "\n".join(path.read_text() for path in files))
        asked = re.search(r"-k '?([^\"']+)", command)
        words = asked[1].split(" or ") if asked else [""]
        assert all(any(word.strip() in name for name in names) for word in words)

    @pytest.mark.parametrize("name", facts.modules_with_doctests())
    def test_the_examples_of_a_module_are_true(self, name):
        tried = doctest.testmod(importlib.import_module(name))
        assert tried.attempted > 0
        assert tried.failed == 0

    def test_no_page_says_the_same_heading_twice(self):
        for page in PAGES:
            headings = re.findall(r"^## (.+)$", reading.prose(page), re.MULTILINE)
            assert len(headings) == len(set(headings)), page.name

