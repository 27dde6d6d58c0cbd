"""The page of DVC's plots, as `make plots` leaves it."""

from pathlib import Path
from typing import Any

from tests.support.project import Clone


def test_the_plots_are_drawn_with_no_network(browser: Any, pulled: Clone, tmp_path: Path) -> None:
    folder = tmp_path / "gráficos"
    pulled.dvc("plots", "show", "--out", str(folder))
    pulled.run("python", "-m", "tools.draw_plots", str(folder))
    context = browser.new_context(offline=True)
    opened = context.new_page()
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto((folder / "index.html").as_uri())
    opened.wait_for_function("document.querySelectorAll('.vega-embed .marks').length === 5")
    context.close()
    assert [url for url in asked if url.startswith("http")] == []
    assert len(list(folder.glob("*.png"))) == 5
