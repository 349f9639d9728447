"""Statements and titles: Markdown into safe HTML.

Two walls: the Markdown renderer passes no HTML through, and what it makes goes through an
allow-list. Nothing is loaded from another host; links open elsewhere and tell nothing of us.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

import nh3
from markdown_it import MarkdownIt

from server.core.calls import laid_out, shown_call, shown_calls
from server.core.class_signature import ClassSignature
from server.core.problem import Part, TestCase
from server.core.values import shortened

_MAX_SHOWN_CHARACTERS = 4_000
_WORDS = {
    "en": {"example": "Example", "call": "Call", "calls": "Calls", "returns": "Returns",
           "raises": "Raises", "stdin": "Standard input", "stdout": "Standard output"},
    "fr": {"example": "Exemple", "call": "Appel", "calls": "Appels", "returns": "Renvoie",
           "raises": "Lève", "stdin": "Entrée standard", "stdout": "Sortie standard"},
}  # fmt: skip

_BLOCK_TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre"),
    *("ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"),
    *("section", "dl", "dt", "dd", "figure", "figcaption"),
}
_INLINE_TAGS = {"a", "code", "em", "strong", "s"}
_ATTRIBUTES = {
    "a": {"href", "title", "target"},
    "code": {"class"},
    "ol": {"start"},
    "section": {"class"},
    "figure": {"class"},
}
_CLASSES = {"section": {"examples"}, "figure": {"example"}}
_LANGUAGES = {"language-python", "language-text", "language-sql", "language-bash"}

_markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_markdown.disable(["image"])


def render_statement(part: Part, language: str) -> str:
    """A part's statement as safe HTML, with `{examples}` replaced by its visible cases."""
    text = part.statement.in_language(language)
    pieces = text.split("{examples}")
    rendered = [_markdown.render(piece) for piece in pieces]
    return _cleaned(render_examples(part, language).join(rendered), _BLOCK_TAGS | _INLINE_TAGS)


def render_markdown(text: str) -> str:
    """Any other Markdown (a hint, a question, a note) as safe HTML."""
    return _cleaned(_markdown.render(text), _BLOCK_TAGS | _INLINE_TAGS)


def render_inline(text: str) -> str:
    """A title or another single line as safe HTML without blocks."""
    return _cleaned(_markdown.renderInline(text), _INLINE_TAGS)


def render_examples(part: Part, language: str) -> str:
    """The visible cases, one figure each: call and result, calls with theirs, input and output."""
    words = _WORDS["fr" if language == "fr" else "en"]
    figures = "".join(
        _figure(part, case, number, words)
        for number, case in enumerate(part.visible_cases, start=1)
    )
    return f'<section class="examples">{figures}</section>' if figures else ""


def _figure(part: Part, case: TestCase, number: int, words: dict[str, str]) -> str:
    title = case.name if case.name != case.id else ""
    label = f"{words['example']} {number}" + (f": {title}" if title else "")
    rows = "".join(
        f'<dt>{escape(name)}</dt><dd><pre><code class="{style}">{escape(text)}</code></pre></dd>'
        for name, text, style in _rows(part, case, words)
    )
    caption = f"<figcaption>{escape(label)}</figcaption>"
    return f'<figure class="example">{caption}<dl>{rows}</dl></figure>'


def _rows(part: Part, case: TestCase, words: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    python, plain = "language-python", "language-text"
    if isinstance(part.signature, ClassSignature):
        ending = f"{words['raises'].lower()} {case.raises}" if case.raises else ""
        results: Any = case.expect
        code = shown_calls(part.signature, case.calls, results, ending)
        yield words["calls"], _cut(code), python
        return
    if part.mode == "program":
        yield words["stdin"], _cut(case.stdin), plain
    else:
        yield words["call"], _cut(shown_call(part, case)), python
    if case.raises is not None:
        yield words["raises"], case.raises, python
    elif part.mode == "program":
        yield words["stdout"], _cut(str(case.expect)), plain
    else:
        yield words["returns"], _cut(laid_out(case.expect)), python


def _cut(text: str) -> str:
    return shortened(text, _MAX_SHOWN_CHARACTERS)


def shown_input(part: Part, case: TestCase) -> str:
    """What a case puts in, for a results table: the call, or what stands on stdin."""
    if isinstance(part.signature, ClassSignature):
        return _cut(shown_calls(part.signature, case.calls))
    return _cut(case.stdin if part.mode == "program" else shown_call(part, case))


def _cleaned(html: str, tags: set[str]) -> str:
    return nh3.clean(
        html,
        tags=tags,
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name != "class":
        return value
    allowed = _LANGUAGES if tag == "code" else _CLASSES.get(tag, set())
    return value if value in allowed else None
