"""`python -m pixfoundation.models README.md docs/models.md`: write the tables of models anew."""

import sys
from pathlib import Path

from pixfoundation.models.tables import fill_tables

for page in map(Path, sys.argv[1:]):
    folder = "" if page.resolve().parent.name == "docs" else "docs/"
    page.write_text(fill_tables(page.read_text(encoding="utf-8"), folder), encoding="utf-8")
