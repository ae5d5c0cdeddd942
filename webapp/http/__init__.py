"""HTTP: authentication, request bodies, security checks, error responses."""
