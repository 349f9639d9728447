"""What the loader says of a broken file, word for word, and of what is not supported yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.problem_files.read import BrokenProblemError
from tests.problems.making import MINIMAL, changed, complaints, read

ENTRY = 'entry: "double(items: list[Item]) -> list[int]"\n'
NUMBER = 'In YAML 250 is a number and "250" is text.'
CODE = MINIMAL[MINIMAL.index("code: |") :].rstrip()
SUCH_AS = "Such as  find(shelf: list[str]) -> int"
REFERENCE = "no solution should pass; the first one that does is the reference"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("        expect: [4]", "        expct: [4]",
         ['21:9: unknown key "expct" in a case'
          ' | Did you mean "expect"? Allowed: name, args, gen, calls, stdin, expect, raises, limits'
          ]),
        ("    visible: true", "    visble: true",
         ['17:5: unknown key "visble" in a group of tests'
          ' | Did you mean "visible"? Allowed: group, visible, points, score, limits, cases']),
        ("    expect: pass", "    expects: pass",
         ['29:5: unknown key "expects" in a solution'
          ' | Did you mean "expect"? Allowed: name, expect, fails, code, same_as']),
        ("title: {en: Doubles, fr: Doubles}", "title: {de: Doppelt}",
         ['5:9: unknown key "de" in a title | Allowed: en, fr']),
        ("status: ready\n", "", ['1:1: "status" is missing in the problem | Add  status: draft']),
        ("format: 1", "format: 2", ['1:9: "format" should be 1, got 2']),
        ("status: ready", "status: redy",
         ['4:9: "status" should be draft, ready or retired, got "redy" | Did you mean "ready"?']),
        ("mode: function", "mode: function\nimage: dta",
         ['9:8: "image" should be data, got "dta" | Did you mean "data"?']),
        ("version: 1", 'version: "1"',
         [f'3:10: "version" should be a whole number, got "1" | {NUMBER}']),
        ("difficulty: 1", "difficulty: hard",
         ['6:13: "difficulty" should be a whole number, got "hard"']),
        ("difficulty: 1", "difficulty: 9", ['6:13: "difficulty" should be at most 5, got 9']),
        ("minutes: 10", "minutes: 0", ['7:10: "minutes" should be at least 1, got 0']),
        ("visible: true", "visible: yes",
         ['17:14: "visible" should be true or false, got "yes"'
          " | In YAML 1.2 yes, no, on and off are text."]),
        ("title: {en: Doubles, fr: Doubles}", "title: Doubles",
         ['5:8: "title" should be a mapping, got "Doubles" | A mapping reads  key: value.']),
        ("title: {en: Doubles, fr: Doubles}", "title: {}",
         ["5:8: neither English nor French is there | Add  en: ...  and  fr: ..."]),
        ("id: doubles", "id: Doubles!",
         ['2:5: "id" should be a plain name, got "Doubles!"'
          " | Small letters, digits and single hyphens, such as grade-sheet."]),
        ("id: doubles", "id: treble",
         ['2:5: "id" is "treble", but the file is named "doubles"'
          " | Write  id: doubles  or rename the file."]),
        ("tests:\n", "tests:\n  - nonsense\n",
         ['16:5: item 1 of "tests" should be a mapping, got "nonsense"'
          " | A mapping reads  key: value."]),
        ("solutions:", "topics: [a, 3]\nsolutions:",
         [f'27:13: item 2 of "topics" should be text, got 3 | {NUMBER}']),
        ("visible: true", "visible: true\n    limits: {time: 2 sec}",
         ['18:20: "time" should be a time, got "2 sec" | Such as 2s, 500ms or 5m.']),
        ("visible: true", "visible: true\n    limits: {time: 10m, memory: 9000MB}",
         ['18:20: "time" should be between 10ms and 30s, got 10m',
          '18:33: "memory" should be between 16MB and 1024MB, got 9000MB']),
        ("mode: function", "mode: function\ncompare: fuzzy",
         ['9:10: "compare" is not a way to compare'
          " | One of: exact, unordered, tokens, {float: 1e-6}, {checker: ...}."]),
        ("mode: function", "mode: function\ncompare: {float: 2}",
         ['9:10: "compare" needs a tolerance between 0 and 1 | Such as {float: 1e-6}.']),
        ("mode: function", "mode: function\ncompare: tokens",
         ["9:10: tokens are compared in what a program prints"
          " | For a function: exact, unordered, {float: 1e-6} or {checker: ...}."]),
        ("expect: [4]", "raises: Value Error",
         ['21:17: "raises" should be the name of an exception, got "Value Error"'
          " | Such as ValueError."]),
        ("{price: 2}", '{price: "2"}',
         ['19:9: case "one item": argument "items", item 1: "price" should be int, got str "2"'
          f" | {NUMBER}"]),
        ("{price: 2}", "{prize: 2}",
         ['19:9: case "one item": argument "items", item 1: unknown key "prize"'
          ' | Did you mean "price"? Allowed: price, note']),
        ("{price: 2}", "{note: x}",
         ['19:9: case "one item": argument "items", item 1: "price" is missing'
          ' | A key that may be absent: "price?"']),
        ("[[{price: 2}]]", "[]",
         ['19:9: case "one item": 0 arguments, but double(items) takes 1'
          " | args is a list with one item per parameter."]),
        ("{price: 2}", "{price: 2, 3: x}",
         ['19:9: case "one item": argument "items", item 1: unknown key "3" | Allowed: price, note',
          '20:28: case "one item": a key in args is not text'
          " | The keys of JSON are text: put them in quotes."]),
        ("        expect: [4]\n", "",
         ['19:9: case "one item" has neither expect nor raises'
          " | One of them says what must come of the case."]),
        ("expect: [4]", "expect: [4]\n        raises: ValueError",
         ['19:9: case "one item" has both expect and raises'
          " | One of them says what must come of the case."]),
        ("expect: [4]", "expect: [four]",
         ['19:9: case "one item": expect, item 1: should be int, got str "four"']),
        ("expect: [4]", "expect: null",
         ['19:9: case "one item": expect: should be list[int], got null']),
        ("args: [[]]", "args: [[]]\n        stdin: x",
         ['24:9: case "none" has stdin, but a function takes args'
          " | Write  args: [...]  or  mode: program"]),
        ("  - group: hidden", "  - group: examples",
         ['22:12: the group "examples" stands twice']),
        ("- group: hidden\n    cases:\n      - name: none\n        args: [[]]\n        expect: []",
         "- {group: hidden, cases: []}", ['22:5: the group "hidden" has no cases']),
        (ENTRY, "",
         ['8:7: "entry" is missing: a function needs its signature'
          ' | Add  entry: "grade(sheet: list[str]) -> str"']),
        (ENTRY, 'entry: "double(items) -> int"\n',
         [f'9:8: "entry": parameter "items" has no type | {SUCH_AS}']),
        (ENTRY, 'entry: "double(items: list[Itm]) -> int"\n',
         [f'9:8: "entry": unknown type "Itm"; did you mean "Item"? | {SUCH_AS}']),
        (ENTRY, 'entry: "double(items: set[int]) -> int"\n',
         [f'9:8: "entry": "set[int]" is not a type that JSON can carry | {SUCH_AS}']),
        (ENTRY, 'entry: "double(items: dict[int, str]) -> int"\n',
         [f'9:8: "entry": "dict[int, str]": dict takes str and a type; the keys of JSON are text'
          f" | {SUCH_AS}"]),
        (ENTRY, 'entry: "double(items: int = 3) -> int"\n',
         ['9:8: "entry": parameters are plain names with a type: no *, **, / or defaults'
          f" | {SUCH_AS}"]),
        (ENTRY, 'entry: "double(items: list[Item])"\n',
         ['9:8: "entry": no return type; end it with e.g. "-> list[str]"'
          f" | {SUCH_AS}"]),
        (ENTRY, "entry: 'f() -> int: import os\\ndef g()'\n",
         [f'9:8: "entry": not a Python signature | {SUCH_AS}']),
        ("price: int", "price: integer",
         ['11:17: type of Item.price: unknown type "integer"; did you mean "int"?']),
        ("price: int", "price: Item", ['11:17: type of Item.price: type "Item" contains itself']),
        ("price: int", "from: int",
         ['11:10: "from" cannot be a key of the type Item'
          ' | A Python name, such as price, or "price?" where it may be absent.']),
        ("Item: {", "int: {",
         ['11:3: "int" is not a name for a type'
          " | Such as Device: a Python name that no other type has."]),
        ("expect: pass", "expect: wrong",
         [f"28:3: {REFERENCE} | Add one with  expect: pass",
          '28:5: the solution "a list" does not say which groups it fails'
          " | Add  fails: [...].  The groups here: examples, hidden"]),
        ("expect: pass", "expect: pass\n    fails: [hidden]",
         ['30:5: "a list" should pass, so it fails nothing']),
        ("solutions:\n", "solutions:\n  - {name: b, expect: slow, fails: [hiden], code: x}\n",
         ['28:37: no group is named "hiden" | Did you mean "hidden"? Allowed: examples, hidden']),
        ("solutions:\n", "solutions:\n  - {name: b, expect: pass}\n",
         ['28:5: the solution "b" has neither code nor same_as']),
        ("solutions:\n", "solutions:\n  - {name: a list, expect: pass, code: x}\n",
         ['29:11: the solution "a list" stands twice']),
        ("for item in items]", "for item in items",
         ["32:1: not Python: '[' was never closed"]),
        (CODE,
         "same_as: lists", ['30:14: no solution above is named "lists"']),
        ("  en: Double each price.", "  en: Double each price: twice.",
         ["13:24: not YAML: mapping values are not allowed here"
          ' | Text holding ": " needs quotes, or a block: '
          'write "en: |" and the text below it, indented.']),
        ("solutions:", "hints:\n  - {after: soon, en: x}\n  - {en: y}\nsolutions:",
         ['28:13: "after" should be a time, got "soon" | Such as 2s, 500ms or 5m.',
          '29:5: "after" is missing in a hint | Add  after: 5m']),
        ("solutions:",
         "rubric:\n  - {id: a, look_for: b, scale: {1: a, 2: b, 3: c, 5: d}}\nsolutions:",
         ['28:52: a scale has no level "5" | The levels are 1, 2, 3 and 4.']),
        ("solutions:", "rubric:\n  - {id: a, look_for: b, scale: {1: a, 2: b}}\nsolutions:",
         ['28:33: the scale of "a" lacks level 3, 4'
          " | Each of the levels 1 to 4 says what was seen."]),
    ],
)  # fmt: skip
def test_a_broken_file_is_told_what_and_where_and_how_to_mend_it(
    before: str, after: str, expected: list[str]
) -> None:
    assert complaints(changed((before, after))) == expected


def test_what_is_wrong_in_several_places_is_told_at_once() -> None:
    text = changed(
        ("status: ready", "status: redy"),
        ("difficulty: 1", "difficulty: 7"),
        ("        expect: [4]", "        expct: [4]"),
        ("    expect: pass", "    expect: good"),
    )
    assert [line.split(": ")[0] for line in complaints(text)] == ["4:9", "6:13", "21:9", "29:13"]


def test_a_message_reads_as_compilers_write_them() -> None:
    with pytest.raises(BrokenProblemError) as caught:
        read(changed(("        expect: [4]", "        expct: [4]")))
    assert str(caught.value) == (
        'x.yaml:21:9: error: unknown key "expct" in a case\n'
        '    Did you mean "expect"? Allowed: name, args, gen, calls, stdin, expect, raises, limits'
    )


def test_the_example_of_the_format_is_refused_for_what_is_not_supported_yet_alone() -> None:
    text = (Path(__file__).parent / "data" / "cheapest-fit.yaml").read_text("utf-8")
    lines = text.splitlines()
    refused = complaints(text, "cheapest-fit")
    assert [line.partition(" | ")[0] for line in refused] == [
        '81:5: "growth" is not supported yet',
        '217:11: mode "sql" is not supported yet',
        '222:5: "databases" is not supported yet',
        '235:15: comparing by "rows" is not supported yet',
        '240:14: "db" is not supported yet',
        '241:14: "db" is not supported yet',
        '241:41: "schema_of" is not supported yet',
    ]
    for complaint in refused:
        place, message = complaint.split(": ", 1)
        line, column = map(int, place.split(":"))
        assert lines[line - 1][column - 1 :].startswith(message.split('"')[1])
        assert " | For now" in message


def test_a_mode_that_comes_later_is_refused_by_name() -> None:
    assert complaints(changed(("mode: function", "mode: sql"))) == [
        '8:7: mode "sql" is not supported yet | For now: function, class or program.'
    ]
