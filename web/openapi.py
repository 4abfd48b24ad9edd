"""Write the service's OpenAPI document to standard output, without starting a server."""

import json
import os
import sys
import tempfile

with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
    os.environ["EMOVOX_CONFIG"] = f"{scratch}/none.toml"
    os.environ["EMOVOX_OUTPUTS"] = f"{scratch}/outputs"
    from emovox.server.app import create_app  # reads the settings

    json.dump(create_app().openapi(), sys.stdout, ensure_ascii=False, indent=1)
