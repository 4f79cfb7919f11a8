"""The few commands that developers type: `nox -l` lists them, `nox` runs what a change needs."""

import sys
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests", "docs"]
nox.options.default_venv_backend = "none"  # the sessions use the active environment


TOOLS = {
    "fiftyone": "tests/exports/test_fiftyone.py",
    "inspect": "tests/exports/test_inspect_log.py",
    "label-studio": "tests/exports/test_label_studio.py",
    "lmms-eval": "tests/integrations",
    "mlflow": "tests/trackers",
    "supervision": "tests/exports/test_supervision.py",
    "tensorboard": "tests/trackers",
    "trackio": "tests/trackers",
    "wandb": "tests/trackers",
}
"""Extras of other tools with the tests that use the installed package; `dev` has none of them."""
OWN_VERSIONS = {"fiftyone", "inspect", "lmms-eval", "mlflow"}
"""Extras whose packages refuse a version of constraints.txt; of that file they keep torch alone."""


def _run(session: nox.Session, module: str, *arguments: str) -> None:
    """Run a program of the environment that nox runs in, activated or not."""
    session.run(sys.executable, "-m", module, *arguments)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the fast tests in parallel; arguments go to pytest."""
    _run(session, "pytest", "-n", "3", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Run the slow tests; those of the report and the app need Chromium."""
    _run(session, "pytest", "-m", "slow", *session.posargs)


@nox.session(venv_backend="uv", reuse_venv=True)
@nox.parametrize("tool", [nox.param(name, id=name) for name in TOOLS])
def tools(session: nox.Session, tool: str) -> None:
    """Test one tool after the other, each in an environment of its own: `nox -s 'tools(wandb)'`."""
    pins = Path("constraints.txt")
    if tool in OWN_VERSIONS:
        lines = pins.read_text(encoding="utf-8").splitlines()
        pins = Path(session.create_tmp(), "torch.txt")
        pins.write_text("\n".join(line for line in lines if line.startswith("torch==")))
    session.install("-c", str(pins), "-e", f".[demo,data,{tool}]", "pytest")
    session.run("pytest", "-m", "slow or not slow", TOOLS[tool], *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting; `nox -s lint -- --fix` repairs what can be repaired."""
    fix = "--fix" in session.posargs
    _run(session, "ruff", "check", ".", *(["--fix"] if fix else []))
    _run(session, "ruff", "format", ".", *([] if fix else ["--check"]))


@nox.session
def types(session: nox.Session) -> None:
    """Check types: strict for the packages listed in pyproject.toml, basic for the rest."""
    _run(session, "pyright")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site into site/; any warning is an error."""
    _run(session, "mkdocs", "build", "--strict", *session.posargs)


@nox.session
def lock(session: nox.Session) -> None:
    """Resolve constraints.txt, the versions that CI installs; `-- --upgrade` takes newer ones."""
    _run(
        session,
        *("uv", "pip", "compile", "pyproject.toml", "--extra", "dev", "--universal"),
        *("--python-version", "3.11", "--no-emit-index-url", "--no-annotate"),
        *("--output-file", "constraints.txt", *session.posargs),
    )


@nox.session
def release(session: nox.Session) -> None:
    """Build the wheel and the source archive into dist/; see docs/releasing.md."""
    _run(session, "uv", "build", "--out-dir", "dist")
