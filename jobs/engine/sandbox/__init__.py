"""What keeps untrusted input from doing harm: confined children, limits, outgoing requests and HTML."""
