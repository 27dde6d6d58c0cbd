"""Take the guide's two screenshots of the page with Debian's Chromium: python -m tools.draw_page FOLDER."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from redacoes.essays import synthetic

SIZES = {"page.png": ("pt-BR", 900, 1420), "page-narrow.png": ("en-US", 360, 1420)}
COLOURS = 64  # enough for a page of text, at a quarter of the bytes


def wait_for(url: str) -> None:
    """Wait until the page can score."""
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{url}/health").close()
            return
        except (urllib.error.HTTPError, OSError):
            time.sleep(1)
    raise SystemExit("the page did not become ready")


def draw(url: str, folder: Path) -> None:
    """Score an essay on the page at `url`, and write both screenshots into `folder`."""
    essay = next(row["essay"] for row in synthetic.essays(100, 3) if row["score"] == 6)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        for name, (locale, width, height) in SIZES.items():
            page = browser.new_page(locale=locale, viewport={"width": width, "height": height})
            page.goto(url)
            page.get_by_text("O modelo está pronto." if locale == "pt-BR" else "The model is ready.").wait_for()
            page.fill("#essay textarea", essay)
            page.click("#score")
            page.wait_for_selector("#result .essay")
            page.wait_for_timeout(1000)
            page.screenshot(path=folder / name)
            Image.open(folder / name).quantize(COLOURS).save(folder / name, optimize=True)
        browser.close()


def main(folder: str) -> None:
    """Serve this workspace's scorer while the screenshots are taken."""
    command = [sys.executable, "-m", "redacoes.cli", "app", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            url = server.stdout.readline().strip() if server.stdout else ""
            wait_for(url)
            draw(url, Path(folder))
        finally:
            server.terminate()


if __name__ == "__main__":
    main(sys.argv[1])
