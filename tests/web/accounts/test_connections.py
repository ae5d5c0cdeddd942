"""The pages about money: connections and allowances."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

from tests.web.signed_in import hidden


def post(client: FlaskClient, page: str, path: str, **fields: Any) -> Any:
    return client.post(path, data={"csrf_token": hidden(client.get(page).text), **fields})


def test_a_connection_is_added_changed_and_removed(client: FlaskClient) -> None:
    given = {
        "name": "mine",
        "kind": "anthropic",
        "address": "https://api.example.com",
        "key": "sk-ant-hidden",
        "models": "a, b",
    }
    assert post(client, "/connections", "/connections", **given).status_code == 303
    page = client.get("/connections").text
    assert "mine" in page and "a, b" in page and "no key" not in page and "sk-ant-hidden" not in page
    assert "a@mine" in client.get("/kinds/generate_texts").text
    assert "sk-ant-hidden" not in str(client.get("/audit").text)
    for wrong, said in (
        ({"prices": "{"}, "not valid JSON"),
        ({"address": "http://192.168.0.1"}, "inside this machine"),
        ({"requests_per_minute": "many"}, "whole number"),
        ({"name": "a b"}, "must have letters"),
    ):
        refused = post(client, "/connections", "/connections", **given | wrong)
        assert refused.status_code == 422 and said in refused.text and "sk-ant-hidden" not in refused.text
    assert post(client, "/connections", "/connections/mine/remove").status_code == 303
    assert "mine" not in client.get("/connections").text.partition("Add or change")[0].replace("determine", "")
    assert post(client, "/connections", "/connections/mine/remove").status_code == 404


def test_an_allowance_is_set_and_taken_away(client: FlaskClient) -> None:
    assert post(client, "/people", "/people/allowance", whose="owner:local", dollars="$2.50").status_code == 303
    assert 'value="2.50"' in client.get("/people").text
    for whose, dollars in (("owner:local", "much"), ("role:emperor", "1"), ("x", "1"), ("owner:local", "-1")):
        assert post(client, "/people", "/people/allowance", whose=whose, dollars=dollars).status_code == 422
    assert post(client, "/people", "/people/allowance", whose="owner:local", dollars="0").status_code == 303
    refused = client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "Hello"}]})
    assert refused.status_code == 429 and "allowance" in refused.json["error"]["message"]
    assert post(client, "/people", "/people/allowance", whose="owner:local", dollars="").status_code == 303
    assert 'value="0"' not in client.get("/people").text
