"""Statements: Markdown with the visible cases in it, and nothing that could run or load."""

from __future__ import annotations

import re
from typing import Any

import pytest

from server.core.calls import shown_call
from server.core.problem import Group, Localized, Part, TestCase
from server.core.statement import render_inline, render_markdown, render_statement
from tests.problems.making import function_part, part, program_part


def stated(task: Part, en: str, fr: str = "") -> Part:
    return task.model_copy(update={"statement": Localized(en=en, fr=fr)})


def test_markdown_is_rendered_with_tables_and_code() -> None:
    html = render_markdown("**b** `c`\n\n| a |\n|-|\n| 1 |\n\n```python\nx < 1\n```\n")
    assert "<p><strong>b</strong> <code>c</code></p>" in html
    assert "<table>" in html
    assert '<pre><code class="language-python">x &lt; 1\n</code></pre>' in html


def test_the_statement_comes_in_the_language_asked_for() -> None:
    task = stated(function_part(), "Hello", "Bonjour")
    assert render_statement(task, "fr") == "<p>Bonjour</p>\n"
    assert render_statement(task, "en") == "<p>Hello</p>\n"
    assert render_statement(stated(function_part(), "Hello"), "fr") == "<p>Hello</p>\n"


def test_examples_of_a_function_show_the_call_and_the_result() -> None:
    html = render_statement(stated(function_part([1, None]), "Before\n\n{examples}\n\nAfter"), "en")
    assert html == (
        '<p>Before</p>\n<section class="examples"><figure class="example">'
        "<figcaption>Example 1: one</figcaption><dl>"
        '<dt>Call</dt><dd><pre><code class="language-python">f(1)</code></pre></dd>'
        '<dt>Returns</dt><dd><pre><code class="language-python">[1, None]</code></pre></dd>'
        "</dl></figure></section><p>After</p>\n"
    )


def test_examples_of_a_program_show_what_is_read_and_printed() -> None:
    html = render_statement(stated(program_part("a\n<b>\n"), "{examples}"), "fr")
    assert "<figcaption>Exemple 1: one</figcaption>" in html
    assert '<dt>Entrée standard</dt><dd><pre><code class="language-text">in</code>' in html
    assert "a\n&lt;b&gt;\n</code>" in html


def test_an_expected_exception_is_shown_as_such() -> None:
    html = render_statement(stated(function_part(raises="ValueError"), "{examples}"), "en")
    assert "<dt>Raises</dt>" in html
    assert "ValueError" in html


def test_hidden_cases_are_never_shown() -> None:
    hidden = Group(name="h", cases=(TestCase(id="h/1", name="secret", args=(42,), expect=4711),))
    task = stated(function_part(1), "{examples}")
    html = render_statement(task.model_copy(update={"groups": (*task.groups, hidden)}), "en")
    assert not re.search("secret|42|4711", html)


def test_long_arguments_are_laid_out_over_lines() -> None:
    lines: Any = [
        {"check": "screen", "wear": 1},
        {"check": "battery", "wear": None},
        {"check": "body"},
    ]
    task = part([TestCase(id="g/1", name="n", args=(lines, 7))], "function")
    assert shown_call(task, task.case("g/1")) == (
        "f(\n"
        "    [\n"
        "        {'check': 'screen', 'wear': 1},\n"
        "        {'check': 'battery', 'wear': None},\n"
        "        {'check': 'body'},\n"
        "    ],\n"
        "    7,\n"
        ")"
    )


ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](java\tscript:alert(1))",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "[a](vbscript:x)",
    "<javascript:alert(1)>",
    "![x](https://evil.example/track.png)",
    "![x][y]\n\n[y]: https://evil.example/track.png",
    '[a](https://e.example "onmouseover=alert(1)")',
    "```python onload=alert(1)\nx\n```",
    '```"><script>alert(1)</script>\nx\n```',
    "<style>@import 'https://evil.example'</style>",
    "<iframe src=https://evil.example></iframe>",
    "<base href=https://evil.example>",
    "<form action=https://evil.example><button>x",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<a href='javascript&colon;alert(1)'>x</a>",
    "<math><mi xlink:href=javascript:alert(1)>",
    "\0<script>alert(1)</script>",
    "| a |\n|-|\n| <script>alert(1)</script> |",
]

LIVE = re.compile(
    r"<\s*(script|img|svg|style|iframe|base|form|button|math|link|object|embed|input)"
    r"|<[^>]*\son\w+\s*="
    r"|<[^>]*(href|src)\s*=\s*[\"']?\s*(javascript|data|vbscript)"
    r"|<[^>]*\s(src|style|srcset)\s*=",
    re.IGNORECASE,
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_in_markdown_can_run_or_load(attack: str) -> None:
    task = stated(program_part(attack), attack + "\n\n{examples}")
    case = task.groups[0].cases[0].model_copy(update={"name": attack, "stdin": attack})
    group = task.groups[0].model_copy(update={"cases": (case,)})
    task = task.model_copy(update={"groups": (group,)})
    for html in (render_statement(task, "en"), render_markdown(attack), render_inline(attack)):
        assert not LIVE.search(html), html


def test_links_open_elsewhere_and_tell_nothing_of_us() -> None:
    html = render_markdown("[docs](https://docs.example/x)")
    assert 'href="https://docs.example/x"' in html
    assert 'target="_blank"' in html
    assert 'rel="noopener noreferrer nofollow"' in html


def test_a_title_has_no_blocks() -> None:
    assert (
        render_inline("The `id` of **it**\n# no")
        == "The <code>id</code> of <strong>it</strong>\n# no"
    )
