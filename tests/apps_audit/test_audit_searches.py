"""Searches from random starts."""

from repousse.apps.audit import report, usefulness


def test_schedules() -> None:
    """Breaks if an estimator is left out, one without silhouettes searched with, or no combination tried."""
    found = usefulness.schedules(["antialias", "kato", "interior"])
    assert found == [("antialias",), ("kato",), ("kato", "antialias")]
    assert usefulness.schedules(["interior"]) == []


def test_every_search_runs() -> None:
    """Breaks if a search fails, or counts more arrivals than starts."""
    found = usefulness.measure(["kato"], starts=2, steps=2)
    assert set(found) == {"pose", "place", "shape"}
    for outcomes in found.values():
        assert set(outcomes) == {"kato"}
        assert all(0 <= one.arrived <= one.starts == 2 and 0 <= one.overlap <= 1 for one in outcomes.values())
    assert report.search_table(found).row_count == 1


def test_kato_reaches_what_does_not_overlap() -> None:
    """Breaks if the far-reaching estimator is no better from afar than one that sees silhouettes in place."""
    far = usefulness.place(("kato",), 8, 80)
    near = usefulness.place(("antialias",), 8, 80)
    assert far.arrived > near.arrived
