"""What a stranger may send to the App, and what must become of it: used against the doorkeeper alone, and the App."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

SECRET: Final = b"nobody may read this"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request: a header None is left out, and with `has_cookie` the cookie of the right token goes with it."""

    name: str
    target: str = "/"
    method: str = "GET"
    headers: dict[str, str | None] = field(default_factory=dict)
    body: bytes | None = None
    has_cookie: bool = True
    status: int = 403


def posted(
    name: str, target: str, body: Any, *, status: int = 403, headers: dict[str, str | None] | None = None
) -> Ask:
    """Return a request that sends JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Ask(
        name=name,
        target=target,
        method="POST",
        headers={"Content-Type": "application/json"} | (headers or {}),
        body=data,
        status=status,
    )


def strangers(*, port: int, dataset: str) -> list[Ask]:
    """Return requests of who has no token, another host, or another page."""
    own = f"127.0.0.1:{port}"
    hosts = ["evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}", f"0.0.0.0:{port}", ""]
    hosts += [
        f"[::1]:{port}",
        f"127.0.0.1.evil.example:{port}",
        f"127.0.0.1:{port}.evil.example",
        f"user@{own}",
        f"{own},x",
    ]
    origins = ["http://evil.example", "null", f"https://{own}", f"http://127.0.0.1:{port + 1}", "http://127.0.0.1", ""]
    origins += [f"http://localhost:{port}", f"http://{own}.evil.example", f"http://{own}/", "file://"]
    asks = [Ask(name=f"host {host!r}", target="/fiftyone", headers={"Host": host}) for host in hosts]
    asks += [Ask(name="no host", target="/fiftyone", headers={"Host": None}, status=400)]
    asks += [Ask(name=f"origin {one!r}", target="/fiftyone", headers={"Origin": one}) for one in origins]
    query = {"query": "{ version }"}
    asks += [posted(f"graphql of origin {one!r}", "/graphql", query, headers={"Origin": one}) for one in origins]
    return asks + without_token(port=port, dataset=dataset)


def without_token(*, port: int, dataset: str) -> list[Ask]:
    """Return requests of who has no token, or whose page is another one."""
    tokens = ["", "x", "A" * 43, "%00", "%ff%fe", "ü", "a&token=b", "a" * 5000]
    routes = ["/", f"/datasets/{dataset}", "/media?filepath=/etc/passwd", "/fiftyone", "/assets/index.js", "/plugins"]
    asks = [
        Ask(name=f"{site} {target}", target=target, headers={"Sec-Fetch-Site": site})
        for site in ("cross-site", "same-site")
        for target in routes
    ]
    asks += [Ask(name=f"no cookie {target}", target=target, has_cookie=False) for target in routes]
    asks += [
        Ask(
            name=f"cookie {value!r}",
            target="/fiftyone",
            has_cookie=False,
            headers={"Cookie": f"curate-browse-{port}={value}"},
        )
        for value in ("", "x", "A" * 43)
    ]
    asks += [
        Ask(name=f"token {token[:20]!r}", target=f"/?token={quote(token, safe='%&=')}", has_cookie=False)
        for token in tokens
    ]
    asks += [
        Ask(name=f"post without a cookie {one}", target=one, method="POST", body=b"{}", has_cookie=False)
        for one in ("/graphql", "/tag", "/events", "/operators/execute")
    ]
    return asks


def unneeded(*, dataset: str) -> list[Ask]:
    """Return requests for what browsing does not need: operators, plugins, routes that write, foreign methods."""
    posts = [
        "/operators/execute",
        "/operators/execute/generator",
        "/operators/resolve-type",
        "/operators/resolve-execution-options",
    ]
    posts += ["/operators/subscribe-execution-store", "/event", "/frames", "/sort", "/geo", "/embeddings/plot"]
    posts += ["/embeddings/selection", "/embeddings/v2/geometry", "/get-similar-labels-frames", "/video-labels/index"]
    posts += [f"/dataset/{dataset}/sample/1/commit-mask", f"/dataset/{dataset}/sample/1"]
    gets = [
        "/screenshot/x.html?proxy=x",
        "/plugins/any/index.js",
        "/runtime-assets/models/sam2/x",
        "/ontologies",
        "/graphql",
    ]
    gets += [
        f"/dataset/{dataset}/groups/1",
        "/graphql?query={version}",
        "//etc/passwd",
        "/assets/../../../../etc/passwd",
    ]
    gets += ["/assets/%2e%2e/%2e%2e/main.py", "/datasets/../main.py", "/%2e%2e/app.py", "/assets/..%2f..%2fapp.py"]
    gets += ["/datasets/a/b", "/index.html", "/nothing", "/%00", "/media/"]
    asks = [posted(f"post {target}", target, {"dataset_name": dataset}, status=404) for target in posts]
    asks += [Ask(name=f"get {target}", target=target, status=404) for target in gets[:4] + gets[5:6] + gets[7:]]
    asks += [Ask(name=f"get {target}", target=target, status=405) for target in (gets[4], gets[6])]
    asks += [
        Ask(name=f"{method} {target}", target=target, method=method, status=405)
        for method in ("OPTIONS", "PUT", "PATCH", "DELETE", "TRACE")
        for target in ("/media?filepath=/etc/passwd", "/graphql", "/")
    ]
    return asks


def paths(*, shown: Path, outside: Path) -> list[Ask]:
    """Return requests for files that are not shown; `shown` gets links to `secret.png` in `outside`."""
    secret = outside / "secret.png"
    (shown / "link.png").symlink_to(secret)
    (shown / "linked").symlink_to(outside)
    (shown / "circle.png").symlink_to(shown / "circle.png")
    inside = quote(str(shown))
    wanted = [
        *("/etc/shadow", "/etc/passwd", "/proc/self/environ", "/dev/zero", "/", str(secret), f"{shown}/link.png"),
        *(f"{shown}/linked/secret.png", f"{shown}/../{outside.name}/secret.png", f"{shown}/circle.png", f"{shown}"),
        *(f"{shown}/dataset.json", f"{shown}/manifest.parquet", f"{shown}-other/secret.png", "images/001.png", ""),
        *(
            f"file://{secret}",
            f"http://127.0.0.1{secret}",
            f"{secret}\0.png",
            f"{shown}/images/001.png\0",
            "~/secret.png",
        ),
        *(
            f"//{str(secret)[1:]}",
            f"/proc/self/root{secret}",
            f"{shown}/images/./../linked/secret.png",
            "/" + "a/" * 3000,
        ),
        *("/" + "a" * 300 + ".png", f"\\\\host\\share{secret}", f"{shown}/images/001.png/", f" {secret}"),
    ]
    asks = [
        Ask(name=f"file {one[-40:]!r}", target=f"/media?filepath={quote(one, safe='')}", status=404) for one in wanted
    ]
    good = f"filepath={inside}/images/001.png"
    for query in (
        f"{good}&filepath=/etc/passwd",
        f"filepath=/etc/passwd&{good}",
        f"{good}&x=1",
        "",
        f"FILEPATH={secret}",
    ):
        asks.append(Ask(name=f"query {query[:10]}...{query[-30:]}", target=f"/media?{query}", status=400))
    asks.append(Ask(name="twice", target=f"/media?filepath={quote(quote(str(secret), safe=''))}", status=404))
    asks.append(Ask(name="not UTF-8", target="/media?filepath=/%ff%fe.png", status=404))
    return [one for one in asks if "images/001.png/" not in one.name]


def bodies(*, dataset: str, proof: Path) -> list[Ask]:
    """Return bodies that name a class, code, or another dataset; the first ones would make the file `proof`."""
    popen = {"_cls": "subprocess.Popen", "kwargs": [["args", ["touch", str(proof)]]]}
    system = {"_cls": "os.system", "kwargs": [["command", f"touch {proof}"]]}
    mongo = {"_cls": "fiftyone.core.stages.Mongo", "kwargs": [["pipeline", [{"$out": "stolen"}]]]}
    asks = []
    for name, stage in (("Popen", popen), ("system", system), ("Mongo", mongo)):
        asks += [
            posted(f"{name} in a view {route}", route, {"dataset": dataset, "view": [stage]})
            for route in ("/tag", "/tagging", "/values", "/aggregate")
        ]
        asks.append(posted(f"{name} as an aggregation", "/aggregate", {"dataset": dataset, "aggregations": [stage]}))
        state = {"_CLS": "StateDescription", "dataset": dataset, "view": [stage]}
        asks.append(posted(f"{name} in a state", "/events", {"initializer": state, "events": [], "subscription": "a"}))
        query = "query q($n: String!, $x: BSONArray!) { samples(dataset: $n, view: $x) { total } }"
        asks.append(
            posted(f"{name} as a variable", "/graphql", {"query": query, "variables": {"n": dataset, "x": [stage]}})
        )
    literal = (
        '{ dataset(name: "%s", view: [{_cls: "subprocess.Popen", kwargs: [["args", ["touch", "%s"]]]}]) { name } }'
    )
    asks.append(posted("Popen as a literal", "/graphql", {"query": literal % (dataset, proof)}))
    default = 'query q($v: BSONArray = [{_cls: "subprocess.Popen"}]) { dataset(name: "NAME", view: $v) { name } }'
    asks.append(posted("Popen as a default", "/graphql", {"query": default.replace("NAME", dataset)}))
    extended = {"subprocess.Popen": {"args": ["touch", str(proof)]}}
    asks += [
        posted(f"Popen as an extended stage {route}", route, {"dataset": dataset, "extended": extended})
        for route in ("/tag", "/tagging", "/values")
    ]
    asks.append(
        posted("a class twice", "/tag", b'{"dataset": "d", "view": [{"_cls": "os.system", "_cls": "os.system"}]}')
    )
    return [*asks, *other_datasets(dataset=dataset), *no_bodies()]


def other_datasets(*, dataset: str) -> list[Ask]:
    """Return bodies that hold JavaScript, or name another dataset."""
    asks = []
    for code in ("$function", "$where", "$accumulator"):
        match = {"_cls": "fiftyone.core.stages.Match", "kwargs": [["filter", {"$expr": {code: {"body": "x"}}}]]}
        asks.append(posted(f"{code} in a match", "/tagging", {"dataset": dataset, "view": [match]}))
    asks += [
        posted(f"another dataset {route}", route, {"dataset": "other", "path": "tags"})
        for route in ("/tag", "/tagging", "/values", "/aggregate")
    ]
    asks += [  # MongoDB's JSON, in which these two objects are read as a text
        posted(f"another dataset as {kind} {route}", route, {"dataset": {kind: "other"}, "path": "tags"})
        for kind in ("$symbol", "$code")
        for route in ("/tag", "/tagging", "/values", "/aggregate", "/events")
    ]
    for query in (
        '{ dataset(name: "other") { name } }',
        '{ x: dataset(name: "other") { name } }',
        '{ samples(dataset: "other", view: []) { total } }',
        '{ savedViews(datasetName: "other") { name } }',
        'mutation { setDataset(subscription: "a", session: "a", name: "other") }',
        '{ ...f } fragment f on Query { dataset(name: "other") { name } }',
    ):
        asks.append(posted(f"another dataset {query[:25]}", "/graphql", {"query": query}))
    variable = {"query": "query q($a: String!) { dataset(name: $a) { name } }", "variables": {"a": "other"}}
    asks.append(posted("another dataset as a variable", "/graphql", variable))
    return asks


def no_bodies() -> list[Ask]:
    """Return bodies that say nothing that can be read."""
    asks = []
    for name, body in (
        ("no JSON", b"x"),
        ("an array", b"[]"),
        ("nothing", b""),
        ("a batch", b'[{"query": "{version}"}]'),
        ("deep", b"[" * 100_000),
        ("deep objects", b'{"a":' * 90 + b"1" + b"}" * 90),
        ("not UTF-8", b'{"a": "\xff"}'),
    ):
        asks.append(posted(f"body: {name}", "/tagging", body, status=400))
    asks.append(posted("no query", "/graphql", {"variables": {}}, status=400))
    asks.append(posted("no GraphQL", "/graphql", {"query": "{{{"}, status=400))
    return asks
