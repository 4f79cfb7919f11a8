"""MkDocs hook: pages of the site that are made from other parts of the repository."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click
from typer.main import get_command

ROOT = Path(__file__).resolve().parent.parent

WEIGHTS = "src/pixfoundation/weights"
EMBEDDED = ("tiny-llava", "tiny-sam")


def on_page_markdown(markdown: str, **_: object) -> str:
    """Turn links to the model cards in the package towards their pages on the site."""
    return re.sub(rf"\]\(\.\./{WEIGHTS}/([\w-]+)/README\.md\)", r"](model-cards/\1.md)", markdown)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the command-line reference, the changelog and the contribution guide."""
    pages = {
        "reference/cli.md": command_reference(),
        "changelog.md": root_page("CHANGELOG.md"),
        "contributing.md": root_page("CONTRIBUTING.md"),
        **{f"model-cards/{name}.md": root_page(f"{WEIGHTS}/{name}/README.md") for name in EMBEDDED},
    }
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def command_reference() -> str:
    """Return the help of every visible command as one Markdown page."""
    from pixfoundation.cli import app

    command = get_command(app)
    context = command.context_class(command, info_name="pixfoundation")
    text = get_docs_for_click(obj=command, ctx=context, name="pixfoundation")
    return re.sub(r"\[/?(bold|dim|italic)\]", "", text)


def root_page(name: str) -> str:
    """Return a page of the repository's root with its links turned towards the site's pages."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return text.replace("](docs/", "](").replace("](CONTRIBUTING.md)", "](contributing.md)")
