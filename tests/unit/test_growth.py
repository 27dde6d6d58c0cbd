"""The bill for a large job, and what the benchmarks of growth and of the cluster make of figures."""

from dataclasses import replace

import pytest

from benchmarks import bill, growth
from benchmarks.bill import Job

JOB = Job(essays=10_000_000, machines=10, start=10, read=1000, written=500, model=0, network=100e6)


def test_a_job_takes_its_essays_by_the_rate_on_all_machines_and_one_start_each() -> None:
    found = bill.bill(100, JOB)
    assert found.clock_hours == pytest.approx((10_000_000 / (100 * 10) + 10) / 3600)
    assert found.machine_hours == pytest.approx(10 * found.clock_hours)
    assert (found.moved, found.limit) == (15e9, "processors")
    alone = bill.bill(100, replace(JOB, machines=1))
    assert alone.machine_hours == pytest.approx((100_000 + 10) / 3600)  # machines share nothing, so only starts differ


def test_what_takes_longest_is_the_limit() -> None:
    slow = bill.bill(100, replace(JOB, network=1e5))
    assert (slow.limit, slow.clock_hours) == ("network", pytest.approx((15e9 / (10 * 1e5) + 10) / 3600))
    assert bill.bill(100, replace(JOB, essays=100)).limit == "start"
    assert bill.bill(100, replace(JOB, model=1e9)).moved == 15e9 + 10 * 1e9  # each machine gets the model


@pytest.mark.parametrize("wrong", ["e5", "e5=", "e5=0", "e5=-1", "e5=nan"])
def test_a_rate_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        bill.rate(wrong)


def test_a_price_is_of_the_machine_hours(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--essays", "3600000", "--machines", "1", "--start", "0"]
    monkeypatch.setattr("sys.argv", ["bill", "e5=10", *options, "--price", "2"])
    bill.main()
    assert capsys.readouterr().out.splitlines()[-1].split(" | ")[2:] == [
        "100.0",
        "100.0",
        "7.6",
        "processors",
        "200.00 |",
    ]
    monkeypatch.setattr("sys.argv", ["bill", "e5=10", *options])
    bill.main()
    assert "price" not in capsys.readouterr().out


def test_growth_is_counted_over_the_next_smaller_size(capsys: pytest.CaptureFixture[str]) -> None:
    usages = [growth.Usage(0, seconds, peak * growth.MB, 50 * growth.MB) for seconds, peak in ((5, 100), (14, 110))]
    each = growth.row("prepare", 10_000, usages[1], (1000, usages[0]), before=2.0)
    assert each == pytest.approx(1.0)  # 9 seconds for 9,000 essays: the start of 4 seconds does not count
    assert capsys.readouterr().out.split(" | ")[2:] == ["0.0", "14.0", "1.000", "0.50", "110", "1.10", "50", "1.00 |\n"]
