"""What the audit says of a lock and of what pip-audit reports."""

from tests.support import ROOT
from tools import audit


def test_every_file_of_a_lock_needs_a_hash() -> None:
    lock = (ROOT / "uv.lock").read_text(encoding="utf-8")
    assert lock.count("hash = ") > 1000
    assert audit.without_hash(lock) == []
    package = '[[package]]\nname = "pandas"\nsource = { registry = "https://example.org" }\nwheels = [\n%s]\n'
    whole = '    { url = "https://example.org/a.whl", hash = "sha256:00" },\n'
    assert audit.without_hash(package % whole) == []
    assert audit.without_hash(package % (whole + '    { url = "https://example.org/b.whl" },\n')) == ["pandas"]
    assert audit.without_hash(package % "") == ["pandas"]


def test_vulnerabilities_are_named_and_what_was_not_looked_up_is_no_all_clear() -> None:
    advisory = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-2"], "fix_versions": ["2.0"], "description": ""}
    report = {
        "dependencies": [
            {"name": "pandas", "version": "1.0", "vulns": [advisory]},
            {"name": "numpy", "version": "1.0", "vulns": []},
            {"name": "scipy", "skip_reason": "not found"},
        ]
    }
    (fault,), skipped = audit.vulnerabilities(report, {})
    assert fault.startswith("pandas 1.0 has PYSEC-2026-1 alias CVE-2026-2, which 2.0 mends: ")
    assert skipped == ["scipy"]
    assert audit.vulnerabilities(report, {"CVE-2026-2": "never called"}) == ([], ["scipy"])
