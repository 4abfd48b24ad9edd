import json

import jsonschema
import pytest

from emovox.cli import main
from support.results import recognition


def test_the_schema_is_valid_and_describes_results(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["schema"])
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(recognition().to_dict(), schema)
