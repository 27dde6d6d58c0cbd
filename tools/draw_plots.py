"""Draw the plots that dvc.yaml declares as pictures, with no network: python -m tools.draw_plots FOLDER."""

import json
import re
import subprocess
import sys
from pathlib import Path

import vl_convert


def main(folder: Path) -> None:
    """Render each Vega-Lite specification that `dvc plots show` fills in."""
    shown = subprocess.run(["dvc", "plots", "show", "--json"], capture_output=True, check=True, text=True)
    folder.mkdir(exist_ok=True)
    for name, plots in json.loads(shown.stdout)["data"].items():
        spec = plots[0]["content"]
        spec = json.loads(spec) if isinstance(spec, str) else spec
        picture = folder / (re.sub(r"\W+", "-", name.lower()).strip("-") + ".png")
        picture.write_bytes(vl_convert.vegalite_to_png(spec, scale=1.0))
        print(f"drawn: {picture}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
