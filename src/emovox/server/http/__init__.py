"""HTTP: connections, the guard, errors, uploads; what is the same for every route."""
