"""Draw the plots of dvc.yaml as pictures, without network: python -m tools.draw_plots FOLDER.

If FOLDER holds the page of `dvc plots show --out FOLDER`, Vega is embedded in it; otherwise the browser would fetch it.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import vl_convert

VEGA = re.compile(r"(<script src=\"https://cdn\.jsdelivr\.net/npm/vega[^>]*></script>\s*)+")


def whole(page: str) -> str:
    """Return DVC's page with Vega embedded in place of its URL."""
    bundle = f"<script>{vl_convert.javascript_bundle()}</script>"
    return VEGA.sub(lambda _: bundle, page)


def main(folder: Path) -> None:
    """Render each Vega-Lite specification that `dvc plots show` returns."""
    shown = subprocess.run(["dvc", "plots", "show", "--json"], capture_output=True, check=True, text=True)
    folder.mkdir(exist_ok=True)
    for name, plots in json.loads(shown.stdout)["data"].items():
        spec = plots[0]["content"]
        spec = json.loads(spec) if isinstance(spec, str) else spec
        picture = folder / (re.sub(r"\W+", "-", name.lower()).strip("-") + ".png")
        picture.write_bytes(vl_convert.vegalite_to_png(spec, scale=1.0))
        print(f"drawn: {picture}")
    if (index := folder / "index.html").is_file():
        index.write_text(whole(index.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
