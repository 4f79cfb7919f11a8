"""The few commands that developers type: `nox -l` lists them, `nox` runs what a change needs."""

import sys

import nox

nox.options.sessions = ["lint", "types", "tests", "docs"]
nox.options.default_venv_backend = "none"  # the sessions use the active environment


def _run(session: nox.Session, module: str, *arguments: str) -> None:
    """Run a program of the environment that nox runs in, activated or not."""
    session.run(sys.executable, "-m", module, *arguments)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the fast tests in parallel; arguments go to pytest."""
    _run(session, "pytest", "-n", "auto", "--maxprocesses", "4", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Run the slow tests; those of the report and the app need Chromium."""
    _run(session, "pytest", "-m", "slow", *session.posargs)


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
