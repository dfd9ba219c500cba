"""The cluster configurations of the guide are what Ray takes: by its own schema, and by its own code for KubeRay."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.places import REPOSITORY
from tests.raylets import HAS_RAY

GUIDES = REPOSITORY / "docs" / "guides"
pytestmark = pytest.mark.skipif(not HAS_RAY, reason="the extra ray is not installed")


@pytest.fixture(scope="module")
def schema() -> Any:
    from importlib.util import find_spec

    spec = find_spec("ray")
    assert spec is not None
    assert spec.origin is not None
    return json.loads((Path(spec.origin).parent / "autoscaler/ray-schema.json").read_text())


def read(name: str) -> Any:
    return yaml.safe_load((GUIDES / name).read_text())


def test_the_configuration_for_a_cloud_keeps_to_the_schema(schema: Any) -> None:
    config = read("cluster-aws.yaml")
    jsonschema.validate(config, schema)
    wrong = copy.deepcopy(config)
    wrong["max_worker"] = wrong.pop("max_workers")
    with pytest.raises(jsonschema.ValidationError, match="max_worker"):
        jsonschema.validate(wrong, schema)
    assert config["head_node_type"] in config["available_node_types"]
    assert any("RAY_AUTH_MODE=token" in option for option in config["docker"]["run_options"])


def test_ray_reads_the_configuration_for_kubernetes(schema: Any) -> None:
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

    cluster = read("cluster-kuberay.yaml")
    derived = _derive_autoscaling_config_from_ray_cr(cluster)
    jsonschema.validate(derived, schema)
    types = derived["available_node_types"]
    assert types["headgroup" if "headgroup" in types else derived["head_node_type"]]["resources"]["CPU"] == 0
    worker = types["worker"]
    assert (worker["resources"]["CPU"], worker["min_workers"], worker["max_workers"]) == (16, 8, 8)
    assert cluster["spec"]["authOptions"] == {"mode": "token"}
    claims = [
        volume["persistentVolumeClaim"]["claimName"]
        for group in (cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"])
        for volume in group["template"]["spec"]["volumes"]
    ]
    assert len(set(claims)) == 1, "all machines see one file system"


def test_the_guide_says_that_both_are_untried_and_links_them() -> None:
    guide = (GUIDES / "cluster.md").read_text()
    assert "untried" in guide
    for name in ("cluster-aws.yaml", "cluster-kuberay.yaml"):
        assert re.search(rf"\]\({name}\)", guide)
        assert "Untried" in (GUIDES / name).read_text()
