"""The GitHub workflows: they call what this repository has and may do no more than they must."""

import re

import pytest
import yaml

from rethink.book import pages

ROOT = pages.root()
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.search(r"^\.PHONY:(.*)$", MAKEFILE, re.MULTILINE)[1].split()
VARIABLES = re.findall(r"^(\w+) \?=", MAKEFILE, re.MULTILINE)


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def workflow(request):
    # YAML 1.1 takes the key `on` for true; as plain text it stays what GitHub reads.
    return yaml.load(request.param.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def known(command):
    """Tell whether it is `.ci/run`, or make with one target and variables of the Makefile."""
    if command == ".ci/run":
        return True
    call = re.fullmatch(r"make ([\w-]+)((?: \w+=\S+)*)", command)
    if call is None or call[1] not in TARGETS:
        return False
    return all(word.partition("=")[0] in VARIABLES for word in call[2].split())


def test_there_are_two():
    assert [path.stem for path in FILES] == ["book", "weekly"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (".ci/run", True),
        ("make test", True),
        ("make book RUNS=fresh", True),
        ("make publish", False),
        ("make book ROUNDS=fresh", False),
        ("make book && make test", False),
        ("pip install .", False),
    ],
)
def test_a_command_is_known_or_not(command, expected):
    assert known(command) is expected


def test_every_command_is_one_call_of_ci_or_make(workflow):
    commands = [step["run"] for step in steps(workflow) if "run" in step]
    assert commands
    assert [command for command in commands if not known(command)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_action_is_githubs_own_at_one_commit_whose_version_is_said(path):
    actions = re.findall(r"uses: *(.*)", path.read_text(encoding="utf-8"))
    pinned = r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"
    assert actions
    assert [action for action in actions if not re.fullmatch(pinned, action)] == []


def test_every_job_ends_in_time(workflow):
    limits = [int(job["timeout-minutes"]) for job in workflow["jobs"].values()]
    assert all(0 < limit <= 360 for limit in limits)  # 360: where GitHub ends a job by itself


def test_only_the_deployment_may_write(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        if name == "deploy":
            assert job["permissions"] == {"pages": "write", "id-token": "write"}
            assert job["if"] == "github.ref == 'refs/heads/main'"
            assert all("run" not in step for step in job["steps"])
        else:
            assert "permissions" not in job


def test_what_is_deployed_is_what_make_book_makes():
    workflow = yaml.safe_load((ROOT / ".github/workflows/book.yml").read_text(encoding="utf-8"))
    (upload,) = (s for s in steps(workflow) if "upload-pages" in s.get("uses", ""))
    assert ROOT / upload["with"]["path"] == pages.Edition.full(ROOT).html
    assert upload["if"] == workflow["jobs"]["deploy"]["if"]
    assert workflow["jobs"]["deploy"]["needs"] == "build"


def test_a_failed_week_leaves_what_explains_it():
    text = (ROOT / ".github/workflows/weekly.yml").read_text(encoding="utf-8")
    (job,) = yaml.safe_load(text)["jobs"].values()
    assert job["steps"][-1]["if"] == "failure()"
    assert job["steps"][-1]["with"]["path"].split() == ["book/", "_build/render.log"]
