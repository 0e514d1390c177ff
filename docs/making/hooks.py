"""What mkdocs is told beside mkdocs.yml: files of the repository that pages link to are pages of the site as well.

On GitHub, ``../benchmarks/recipes.md`` leads to that file; in the site it leads to the page that is made of it,
``repository/benchmarks/recipes.html``, and so on for what that page links to. A file of code is shown as such, any
other one is copied. What pages show of files in results/ is taken from these.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))
from links import DOCS, ROOT, links, local, replaced
from shown import made_anew, of_files

FOLDER = "repository"
LANGUAGES = {".py": "python", ".toml": "toml", ".yml": "yaml", ".cff": "yaml", ".csv": "text", ".txt": "text"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what pages link to outside of docs/, and what those link to."""
    waiting = [DOCS / file.src_uri for file in files.documentation_pages()]
    added: set[Path] = set()
    while waiting:
        page = waiting.pop()
        for path in {path for target in links(page.read_text(encoding="utf-8")) if (path := _outside(page, target))}:
            if path not in added:
                added.add(path)
                files.append(_file(path, config))
                waiting += [path] if path.suffix == ".md" else []
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have links lead to where things are in the site; a folder of the repository has no page, and is named alone."""
    where = page.file.src_uri
    path = ROOT / where.removeprefix(f"{FOLDER}/") if where.startswith(f"{FOLDER}/") else DOCS / where

    def moved(text: str, target: str) -> str:
        if (led := local(path, target)) is None or not led[0].is_relative_to(ROOT):
            return f"{text}({target})"
        if led[0].is_dir():
            return text[1:-1]
        return f"{text}({os.path.relpath(_place(led[0]), Path(where).parent)}{led[1]})"

    return replaced(made_anew(markdown, of_files), moved)


def _outside(page: Path, target: str) -> Path | None:
    """The file of the repository, outside of docs/, that a link leads to; None for any other link."""
    led = local(page, target)
    if led is None or not led[0].is_relative_to(ROOT) or led[0].is_relative_to(DOCS) or not led[0].is_file():
        return None
    return led[0]


def _place(path: Path) -> str:
    """Where a file is among those of the site, in which all but .md of what is read is named .md as well."""
    if path.is_relative_to(DOCS):
        return str(path.relative_to(DOCS))
    return f"{FOLDER}/{path.relative_to(ROOT)}{'.md' if path.suffix in LANGUAGES or not path.suffix else ''}"


def _file(path: Path, config: MkDocsConfig) -> File:
    if _place(path).endswith(path.suffix or "/"):
        return File.generated(config, _place(path), content=path.read_bytes())
    text = path.read_text(encoding="utf-8")
    shown = f"# {path.relative_to(ROOT)}\n\n~~~~~~{LANGUAGES.get(path.suffix, 'text')}\n{text}\n~~~~~~\n"
    return File.generated(config, _place(path), content=shown)
