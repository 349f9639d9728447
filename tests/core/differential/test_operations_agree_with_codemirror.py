"""Each operation on change sets gives exactly what @codemirror/state gives."""

from server.core.text import ChangeSet, from_units, rebase, to_units
from tests.core.differential.peer import Peer
from tests.core.differential.random_edits import random_changes, random_text, seeded

CASES = 4_000


def test_every_operation_gives_what_codemirror_gives(peer: Peer) -> None:
    for seed in range(CASES):
        print("case seed", seed)  # shown by pytest where a case fails
        random = seeded(seed)
        units = to_units(random_text(random, 15))
        raw = random_changes(random, units)
        a = ChangeSet.from_json(raw)
        b = ChangeSet.from_json(random_changes(random, units))
        edited = a.apply(units)
        third = ChangeSet.from_json(random_changes(random, edited))
        answer = peer.ask(
            "operations",
            text=from_units(units),
            raw=raw,
            a=a.to_json(),
            b=b.to_json(),
            next=third.to_json(),
        )
        places = range(len(units) + 1)
        assert answer == {
            "applyRaw": from_units(edited),
            "apply": from_units(edited),
            "invert": a.invert(units).to_json(),
            "compose": a.compose(third).to_json(),
            "map": a.map(b).to_json(),
            "mapBefore": a.map(b, before=True).to_json(),
            "mapPosition": [
                [a.map_position(place, assoc) for place in places] for assoc in (-1, 1)
            ],
        }


def test_what_codemirror_writes_is_read_and_written_back_unchanged(peer: Peer) -> None:
    for seed in range(500):
        print("case seed", seed)
        random = seeded(seed)
        units = to_units(random_text(random, 15))
        a, b = (ChangeSet.from_json(random_changes(random, units)).to_json() for _ in range(2))
        for written in peer.ask("mapChain", a=a, b=b):
            assert ChangeSet.from_json(written).to_json() == written


def test_moving_over_a_composition_is_not_moving_over_its_parts(peer: Peer) -> None:
    """Why the authority and the browser both take edits one at a time.

    Text inserted into a stretch that someone deletes and then writes anew: composed, it stands in
    front of the new text; one at a time, behind it. A browser that mixes the two would diverge.
    """
    late = [1, [0, "X"], 1]
    accepted = [[[2]], [[0, "Y"]]]
    over = [ChangeSet.from_json(changes) for changes in accepted]
    moved = rebase(ChangeSet.from_json(late), over).to_json()
    assert moved == peer.ask("rebase", changes=late, over=accepted) == [1, [0, "X"]]
    assert peer.ask("rebaseAtOnce", changes=late, over=accepted) == [[0, "X"], 1]
