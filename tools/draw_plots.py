"""Draw the plots that dvc.yaml declares as one picture, docs/plots.png, with no network: python -m tools.draw_plots."""

import json
import subprocess
from pathlib import Path

import vl_convert

PICTURE = Path("docs/plots.png")


def main() -> None:
    """Lay the Vega-Lite specifications that `dvc plots show` fills in side by side, and render them."""
    shown = subprocess.run(["dvc", "plots", "show", "--json"], capture_output=True, check=True, text=True)
    specs = []
    for name, plots in json.loads(shown.stdout)["data"].items():
        for plot in plots:
            spec = plot["content"]
            spec = json.loads(spec) if isinstance(spec, str) else spec
            spec.pop("$schema", None)
            specs.append({**spec, "title": name})
    sheet = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "concat": specs,
        "columns": 3,
        "resolve": {"scale": {"color": "independent", "x": "independent", "y": "independent"}},
    }
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(vl_convert.vegalite_to_png(sheet, scale=1.0))
    print(f"drawn: {PICTURE.resolve()}")


if __name__ == "__main__":
    main()
