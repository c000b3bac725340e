"""A site of a run without our documentation, whose pages lead to the results of other runs."""

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
HOME = "# Home\n\n$Q = 1 - D/2$ costs $5, by bootstrap\n\n[the run](reports/default/README.md)\n"


def write_small_site(folder: Path) -> None:
    """Write the settings of a site, ours with another navigation, and its home page."""
    (folder / "docs").mkdir()
    (folder / "docs" / "assets").symlink_to(ROOT / "docs" / "assets")
    (folder / "README.md").write_text(HOME)
    settings = {
        "INHERIT": str(ROOT / "mkdocs.yml"),
        "docs_dir": str(folder / "docs"),
        "hooks": [str(ROOT / "src" / "prefiqs" / "pipeline" / "site" / "hooks.py")],
        "nav": [{"Home": "README.md"}, {"Results": []}],
    }
    (folder / "mkdocs.yml").write_text(yaml.safe_dump(settings))
