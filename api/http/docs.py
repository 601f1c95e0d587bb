"""/docs: the calls in Swagger UI, and the contract of the socket, all from our own files."""

import re
from functools import cache
from itertools import pairwise

from flask import Blueprint, render_template
from markdown_it import MarkdownIt
from markupsafe import Markup

from shared.settings import PROJECT_DIR

docs = Blueprint("docs", __name__)


@docs.get("/docs")
def show_docs() -> str:
    """Show the API in Swagger UI."""
    return render_template("docs.html")


@docs.get("/docs/protocol")
def show_protocol() -> str:
    """Show what a module's author has to know of the socket."""
    return render_template("protocol.html", body=_render_protocol())


@cache
def _render_protocol() -> Markup:
    source = (PROJECT_DIR / "docs" / "protocol.md").read_text(encoding="utf-8")
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(source)
    for heading, words in pairwise(tokens):
        if heading.type == "heading_open":
            heading.attrSet("id", re.sub(r"[^\w-]", "", words.content.lower().replace(" ", "-")))
    page = markdown.renderer.render(tokens, markdown.options, {})
    return Markup(page.replace("<li>[ ] ", "<li>☐ "))  # noqa: S704 # our own page, its HTML escaped
