"""A small OpenID provider for tests: a real server with real signatures, which can also be told to do wrong."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "legwork", "the secret of the client"


class Provider:
    """`wrong` names what it does wrong: nonce, audience, issuer, expired, signature, silence, refusal, broken."""

    def __init__(self) -> None:
        self.wrong = ""
        self.slash = ""  # the end of its name for itself
        self.claims: dict[str, Any] = {"sub": "42", "preferred_username": "Amara.K"}
        self.key = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
        self.codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser goes back to."""
        assert asked["client_id"] == CLIENT and asked["response_type"] == "code" and "openid" in asked["scope"]
        if self.wrong == "refusal":
            return f"{asked['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': asked['state']})}"
        code = secrets.token_hex(8)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, sent: dict[str, str], authorization: str) -> dict[str, Any]:
        """The tokens for a code, which is good once and for whom it was made."""
        basic = base64.b64decode(authorization.removeprefix("Basic ")).decode().replace("+", " ").replace("%20", " ")
        assert basic == f"{CLIENT}:{SECRET}"
        asked = self.codes.pop(sent["code"])
        digest = hashlib.sha256(sent["code_verifier"].encode()).digest()
        assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == asked["code_challenge"]
        token = {"access_token": "a", "token_type": "Bearer", "expires_in": 60}
        return token if self.wrong == "silence" else token | {"id_token": self._id_token(asked["nonce"])}

    def _id_token(self, nonce: str) -> str:
        now = int(time.time()) - (7200 if self.wrong == "expired" else 0)
        claims = {
            "iss": self.issuer + self.slash,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 600,
            "nonce": nonce,
            **self.claims,
        }
        claims |= {"nonce": "another"} if self.wrong == "nonce" else {}
        claims |= {"aud": "another"} if self.wrong == "audience" else {}
        claims |= {"iss": "https://another.example"} if self.wrong == "issuer" else {}
        key = RSAKey.generate_key(2048, {"kid": "one"}, private=True) if self.wrong == "signature" else self.key
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)

    def document(self, path: str) -> dict[str, Any]:
        if path == "/jwks":
            return {"keys": [self.key.as_dict(private=False)]}
        addresses = {name: f"{self.issuer}/{end}" for name, end in _ENDPOINTS.items()}
        return {"issuer": self.issuer + self.slash, "id_token_signing_alg_values_supported": ["RS256"], **addresses}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if parts.path == "/authorize":
                    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
                    self.send_response(302)
                    self.send_header("Location", provider.authorize(asked))
                    self.end_headers()
                else:
                    self._say(provider.document(parts.path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                sent = {name: values[0] for name, values in parse_qs(body).items()}
                if provider.wrong == "broken":
                    self.send_error(500)
                else:
                    self._say(provider.token(sent, self.headers["Authorization"]))

            def _say(self, document: dict[str, Any]) -> None:
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Not into the test's output."""

        return Handler


_ENDPOINTS = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
