"""`python -m pixfoundation.conventions docs`: write the tables of the documentation anew."""

import sys
from pathlib import Path

from pixfoundation.conventions.tables import fill_tables

for page in Path(sys.argv[1]).rglob("*.md"):
    page.write_text(fill_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
