"""Pictures of the pages that a recipient may see, as a real browser draws them, on a phone and on a desk.

python -m bench.screens [--into docs/screens]

Needs chromium. The pages are the web role's own; a script would not run on them, and none does.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import click

from mta.web import pages
from mta.web.words import WORDS

WIDTHS = {"phone": (390, 700), "desk": (1280, 720)}
SENDER = "Acme Gardens (news@acme.example)"
SECONDS = 120


def shown() -> dict[str, str]:
    """Return the pages by name."""
    english, arabic = WORDS["en"], WORDS["ar"]
    return {
        "unsubscribe": pages.ask(SENDER, "jo@example.net", english, listed=True),
        "unsubscribed": pages.done(SENDER, "jo@example.net", english),
        "unsubscribe-ar": pages.ask(SENDER, "jo@example.net", arabic, listed=True),
        "too-old": pages.too_old(english),
        "not-found": pages.not_found(english),
    }


def picture(browser: str, page: Path, into: Path, size: tuple[int, int]) -> None:
    """Have a browser draw a page into a PNG file; raise RuntimeError when it does not."""
    with tempfile.TemporaryDirectory(prefix="mta-browser-") as profile:
        ran = subprocess.run(
            [
                browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--hide-scrollbars", f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}",
                f"--screenshot={into}", page.as_uri(),
            ],
            capture_output=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    if not into.exists():
        raise RuntimeError(f"{browser} drew nothing: {ran.stderr.decode(errors='replace')[-500:]}")


@click.command()
@click.option("--into", type=click.Path(path_type=Path), default=Path("docs/screens"), show_default=True)
def main(into: Path) -> None:
    """Draw all pages."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        raise click.ClickException("no browser; apt-get install chromium")
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mta-pages-") as folder:
        for name, text in shown().items():
            page = Path(folder) / f"{name}.html"
            page.write_text(text)
            for width, size in WIDTHS.items():
                picture(browser, page, (into / f"{name}-{width}.png").absolute(), size)


if __name__ == "__main__":
    main()
