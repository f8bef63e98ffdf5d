import json
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from jobs.runner import reap
from tests.jobs.drill.models import DrillJob

pytestmark = pytest.mark.django_db(transaction=True)


def drill(*args, **options):
    call_command("drill", *args, **options)


def exit_code_of(*args):
    with pytest.raises((SystemExit, CommandError)) as ended:
        drill(*args)
    error = ended.value
    return error.returncode if isinstance(error, CommandError) else error.code


def test_a_command_runs_its_job_and_prints_one_json_object_last(capsys):
    drill("3", "--json")
    printed = capsys.readouterr()
    answer = json.loads(printed.out.splitlines()[-1])
    assert (answer["state"], answer["exitCode"], answer["length"]) == ("completed", 0, 3)
    assert answer["counts"] == {"seen": 3, "inserted": 3}
    assert "completed" in printed.err


@pytest.mark.parametrize(("problem", "code"), [("refused", 2), ("bug", 1), ("transient", 75)])
def test_the_exit_code_tells_how_it_ended(problem, code, capsys):
    assert exit_code_of("1", "--problem", problem, "--json") == code
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["exitCode"] == code
    assert answer["error"]["code"]


def test_a_refusal_tells_its_hint_and_is_json_too(capsys):
    with pytest.raises(CommandError, match="Send one"):
        drill("1", "--problem", "refused")
    with pytest.raises(CommandError) as refused:
        drill("--json", "--", "-1")
    assert refused.value.returncode == 2
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["error"]["hint"] == "Give 0 or more."


def test_the_owner_is_who_was_named_else_the_first_superuser_else_nobody(people):
    drill("1", "--user", "alice")
    drill("1")
    people.root.delete()
    drill("1")
    owners = DrillJob.objects.order_by("created_at").values_list("owner__username", flat=True)
    assert list(owners) == ["alice", None, None]


def test_the_first_superuser_owns_what_nobody_was_named_for(people):
    drill("1")
    assert DrillJob.objects.get().owner == people.root


def test_an_unknown_user_is_refused():
    assert exit_code_of("1", "--user", "nobody") == 2


def test_a_commands_job_is_not_given_to_a_worker_too():
    drill("2")
    assert DrillJob.objects.get().due_at is None
    assert reap() == 0


def test_silence_is_kept_when_it_is_asked_for(capsys):
    drill("2", verbosity=0)
    assert capsys.readouterr() == ("", "")


started, stopped = [], []


def ensure():
    started.append(1)
    return SimpleNamespace(stop=lambda: stopped.append(1))


def test_the_servers_that_were_started_are_stopped_whatever_happened(settings):
    settings.CLAUDELENS_ENSURE_SERVERS = f"{__name__}.ensure"
    sys.modules[__name__] = sys.modules.get(__name__) or SimpleNamespace(ensure=ensure)
    started.clear(), stopped.clear()
    exit_code_of("1", "--problem", "refused")
    drill("1")
    assert (len(started), len(stopped)) == (2, 2)


def test_ctrl_c_on_a_real_command_cancels_the_job_and_says_130(worker_env):
    command = [sys.executable, "manage.py", "drill", "100000", "--pause", "0.01", "--json"]
    process = subprocess.Popen(
        command, env=worker_env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert json.loads(out.splitlines()[-1])["state"] == "cancelled"
    assert DrillJob.objects.get().state == "cancelled"
