"""Pages of the reference that follow from the code: `python scripts/make_reference.py`, before the site is built.

docs/reference/cli.md from the help of every command, docs/reference/settings.md from the configuration, and
docs/reference/python.md, which names what is public; mkdocstrings fills that in.
"""

import re
from pathlib import Path

import clmot
import clmot.cli  # every command registers itself
from clmot.cli.app import app
from clmot.config.explain import settings

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"


def main() -> None:
    """Write all three."""
    REFERENCE.mkdir(exist_ok=True)
    for name, text in (("cli", cli()), ("settings", configuration()), ("python", python())):
        (REFERENCE / f"{name}.md").write_text(text)


def cli() -> str:
    """The help of all commands."""
    text = app.generate_docs(output_format="markdown", recursive=True)
    # commands that stand after "Examples:" are indented code in help, and fenced here
    return re.sub(
        r"(?m)((?:^ {4}(?:[A-Z_]+=\S+ )*clmot .*\n)+)", lambda found: f"```bash\n{_dedent(found[1])}```\n", text
    )


def configuration() -> str:
    """A table a section, with kind, default and meaning of each setting."""
    lines = [
        "# Settings",
        "",
        "`SECTION.KEY=VALUE` on the command line, or a YAML file; `clmot config` prints all of them.",
    ]
    section = ""
    for setting in settings().values():
        head, _, key = setting.name.partition(".")
        if head != section:
            section = head
            lines += ["", f"## {section}", "", "| Setting | Values | Default | |", "|---|---|---|---|"]
        kind, text = (each.replace("|", "\\|") for each in (setting.kind, setting.text))
        lines.append(f"| `{key}` | {kind} | `{setting.default}` | {text} |")
    return "\n".join(lines) + "\n"


def python() -> str:
    """Every public name."""
    names = sorted(clmot._LAZY, key=lambda name: (not name[0].isupper(), name.lower()))
    lines = ["# Python", "", "Everything public is in `clmot`, and is loaded when it is first used."]
    for name in names:
        module, _, other = clmot._LAZY[name].partition(":")
        lines += ["", f"::: {module}.{other or name}"]
    return "\n".join(lines) + "\n"


def _dedent(text: str) -> str:
    return "".join(line[4:] + "\n" for line in text.splitlines())


if __name__ == "__main__":
    main()
