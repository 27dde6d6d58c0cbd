"""The processor: what its kind does to the bytes of weights, and how to have libraries compute alike on more kinds.

TensorFlow, NumPy and OpenBLAS look at the processor when they start, and take the quickest code that it has. Which code
that is decides in what order a product is summed, and whether a multiplication is rounded before it is added. The
makers' approximate reciprocals differ as well, and no setting is known that avoids them. `benchmarks.operations` prints
which operations differ; docs/reproducibility.md has the table.
"""

import os
import platform
import sys
from pathlib import Path
from typing import Any

RECORD = "processor.json"  # of the folder of the learning curves: it goes where the weights go
PORTABLE = {
    "TF_ENABLE_ONEDNN_OPTS": "0",  # oneDNN has kernels for each instruction set
    "TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL": "0",  # and so has its product, which TensorFlow uses even then
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # NumPy's names for AVX-512
    "OPENBLAS_CORETYPE": "Haswell",  # its kernels for AVX2
    "OPENBLAS_NUM_THREADS": "1",  # the number of processors must not matter either
    "OMP_NUM_THREADS": "1",
}
CPUINFO, CACHES = Path("/proc/cpuinfo"), Path("/sys/devices/system/cpu/cpu0/cache")
SETS = {"AVX-512": "avx512f", "AVX2": "avx2", "AVX": "avx"}  # with the flags of Linux


def settle(portable: bool) -> None:
    """Have libraries compute alike on all x86-64 of a maker that have AVX2 if `portable`, and do nothing otherwise.

    They read the environment once, while they are imported. So this process starts its program anew, at the cost of a
    second import, unless the environment is that already.
    """
    if portable and PORTABLE.items() - os.environ.items():
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **PORTABLE})


def uncovered(width: int) -> str:
    """Return why `train.portable` may not hold for an encoder of this hidden size; empty where it does.

    TensorFlow sums a product over up to 320 at once, and more in parts of 320, where it uses several threads. A product
    that is too small for that is summed in parts as large as the first cache allows: 400 of 32 KiB, 608 of 48 KiB.
    """
    if 64 <= width <= 400 or 608 < width <= 800:
        return ""
    return (
        f"train.portable does not hold between processors whose first cache has another size, 32 or 48 KiB, where the "
        f"hidden size is {width}: it does from 64 to 400 and from 609 to 800"
    )


def kind(portable: bool, cpuinfo: Path = CPUINFO, caches: Path = CACHES) -> dict[str, Any]:
    """Return the kind of this processor: what the bytes of weights depend on.

    Args:
        portable: Whether `settle` has had libraries compute alike; then only the maker matters.
        cpuinfo: Where Linux tells of processors.
        caches: Where it tells of their caches.

    Returns:
        ``vendor`` (as Linux names it) and, unless `portable`, ``instructions`` (the widest set of vector instructions;
        the architecture where it has none of x86-64, or is not known) and ``l1d_kib`` (the first cache, in KiB; None
        where it is not known).
    """
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    known = dict(reversed([[part.strip() for part in line.split(":", 1)] for line in lines if ":" in line]))
    flags = known.get("flags", "").split()
    vendor = {"vendor": known.get("vendor_id", "unknown")}
    if portable:
        return vendor
    return {
        **vendor,
        "instructions": next((name for name, flag in SETS.items() if flag in flags), platform.machine()),
        "l1d_kib": _first_cache(caches),
    }


def _first_cache(caches: Path) -> int | None:
    """Return the size of the first cache of data, in KiB, as Linux tells it."""
    for cache in sorted(caches.glob("index*")):
        level, kind, size = ((cache / name).read_text(encoding="ascii").strip() for name in ("level", "type", "size"))
        if (level, kind) == ("1", "Data"):
            return int(size.removesuffix("K"))
    return None


def shown(kind: dict[str, Any]) -> str:
    """Return a kind of processor in words."""
    cache = f"L1d {kind['l1d_kib']} KiB" if kind.get("l1d_kib") else ""
    return ", ".join(filter(None, [kind["vendor"], kind.get("instructions"), cache]))
