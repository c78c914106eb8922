"""Who gets a layout compiled: whoever comes often, up to a bound, whatever else is sent."""

from isowire.admission import COUNTED_MAX, LAYOUTS_MAX, SEEN_FIRST, STEP, Admission


def sightings_until_admitted(admission: Admission, key: object) -> int:
    for sighting in range(1, 10_000):
        if admission.admit(key):
            return sighting
    raise AssertionError(key)


def test_the_first_are_admitted_after_a_few_sightings() -> None:
    """The last of SEEN_FIRST sightings admits, and only it."""
    admission = Admission()
    assert [admission.admit("a") for _ in range(SEEN_FIRST)] == [False] * (SEEN_FIRST - 1) + [True]


def test_the_price_doubles_and_the_last_place_is_the_end() -> None:
    """Every STEP layouts cost twice as much; behind the last, nothing is admitted or remembered."""
    admission = Admission()
    prices = [sightings_until_admitted(admission, key) for key in range(LAYOUTS_MAX)]
    assert prices == [SEEN_FIRST << key // STEP for key in range(LAYOUTS_MAX)]
    assert not any(admission.admit("late") for _ in range(10 * prices[-1]))
    assert admission.counted == 0


def test_keys_without_end_admit_nothing_and_take_no_memory() -> None:
    """Each key once: none is admitted, and no more than COUNTED_MAX are remembered."""
    admission = Admission()
    assert not any(admission.admit(key) for key in range(20 * COUNTED_MAX))
    assert admission.counted <= COUNTED_MAX


def test_a_flood_of_new_keys_keeps_nobody_out() -> None:
    """One message in a hundred among keys that come once: admitted as if it were alone, or nearly."""
    admission = Admission()
    admitted_at = next(
        n for n in range(10_000) if (admission.admit(n), admission.admit("real") if not n % 100 else 0)[1]
    )
    assert admitted_at <= 100 * (SEEN_FIRST + 1)


def test_none_compiles_nothing() -> None:
    """A bound of 0 is the general path for all."""
    assert not any(Admission(layouts_max=0).admit("a") for _ in range(10 * SEEN_FIRST))
