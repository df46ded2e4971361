"""Licences under which weights and adapters are given away: SPDX names, and the terms that makers of models wrote themselves."""

from __future__ import annotations

from folkmoot.documents import did_you_mean

SPDX = (
    "0BSD", "AFL-3.0", "AGPL-3.0-only", "AGPL-3.0-or-later", "Apache-2.0", "Artistic-2.0", "BSD-2-Clause", "BSD-3-Clause",
    "BSD-3-Clause-Clear", "BSL-1.0", "CC-BY-2.0", "CC-BY-2.5", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-NC-2.0", "CC-BY-NC-3.0",
    "CC-BY-NC-4.0", "CC-BY-NC-ND-3.0", "CC-BY-NC-ND-4.0", "CC-BY-NC-SA-2.0", "CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0",
    "CC-BY-ND-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC-PDDC", "CC0-1.0", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0",
    "CDLA-Sharing-1.0", "ECL-2.0", "EPL-1.0", "EPL-2.0", "EUPL-1.1", "EUPL-1.2", "GFDL-1.3-only", "GFDL-1.3-or-later",
    "GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later", "ISC", "LGPL-2.1-only", "LGPL-2.1-or-later",
    "LGPL-3.0-only", "LGPL-3.0-or-later", "LPPL-1.3c", "MIT", "MIT-0", "MPL-2.0", "MS-PL", "NCSA", "ODbL-1.0",
    "ODC-By-1.0", "OFL-1.1", "OSL-3.0", "PDDL-1.0", "PostgreSQL", "Python-2.0", "Unlicense", "WTFPL", "Zlib",
)  # fmt: skip
"""Names of the SPDX list (version 3) that fit weights or data."""

TERMS = (
    "BigScience OpenRAIL-M", "BigScience RAIL 1.0", "BigCode OpenRAIL-M", "CreativeML OpenRAIL-M", "OpenRAIL",
    "Gemma Terms of Use", "Llama 2 Community License", "Llama 3 Community License", "Llama 3.1 Community License",
    "Llama 3.2 Community License", "Llama 3.3 Community License", "Llama 4 Community License", "Qwen License",
    "Qwen Research License", "DeepSeek License", "Falcon 2 License", "Mistral Research License",
)  # fmt: skip
"""Terms that have no SPDX name."""


def licence_fault(name: str) -> str:
    """Why a licence is not known, with a hint; empty if it is. Upper and lower case do not count."""
    from folkmoot.models.catalogue import known

    names = {n.casefold(): n for n in (*SPDX, *TERMS, *(entry.licence for entry in known().values()))}
    if name.casefold() in names:
        return ""
    hint = did_you_mean(name, names.values())
    return hint if hint.startswith("did you") else "use an SPDX name, such as Apache-2.0, MIT or CC-BY-4.0"
