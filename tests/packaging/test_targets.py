"""CI and pre-commit run make targets, which there are."""

import re

import pytest
import yaml

from .environments import PROJECT, ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):(?!=)", MAKEFILE, re.MULTILINE))
MAKE = re.compile(r"\bmake ((?:[a-z][a-z-]*\b(?!=) ?)+)")


def named(text):
    return {target for words in MAKE.findall(text) for target in words.split()}


def steps():
    for path in WORKFLOWS:
        for name, job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].items():
            for step in job["steps"]:
                yield name, step


def hooks():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    return [hook for repository in config["repos"] for hook in repository["hooks"]]


def test_the_workflow_runs_targets_that_there_are():
    ran = set().union(*(named(step.get("run", "")) for _, step in steps()))
    assert {"check", "test", "test-quick", "smoke", "docs"} <= ran <= TARGETS


def test_pre_commit_runs_some_of_the_same():
    ran = set().union(*(named(hook["entry"]) for hook in hooks()))
    assert {"check", "test-quick"} == ran <= TARGETS


def test_what_ci_runs_is_a_target():
    assert named((ROOT / ".ci" / "run").read_text(encoding="utf-8")) == {"test"}


def test_actions_are_pinned_to_a_commit():
    used = [step["uses"] for _, step in steps() if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action) for action in used)


def test_every_python_that_is_named_is_tested():
    (matrix,) = (
        job["strategy"]["matrix"]["python"]
        for path in WORKFLOWS
        for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
        if "strategy" in job
    )
    prefix = "Programming Language :: Python :: 3."
    assert [f"3.{name.removeprefix(prefix)}" for name in PROJECT["classifiers"] if name.startswith(prefix)] == matrix


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_pages_name_targets_that_there_are(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^make .*$|`make [^`]*`", text, re.MULTILINE))
    assert named(code) <= TARGETS


def test_every_target_is_phony():
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert set(phony.split()) == TARGETS
